// A small mock of Jenkins' declarative pipeline: evaluates a Jenkinsfile, prints what happens as JSON lines, and runs each `sh` step.
//   groovy jenkins_mock.groovy JENKINSFILE FOLDER [--dry] [--fail COMMAND] [--param NAME=VALUE]
import groovy.json.JsonOutput

class StepFailed extends RuntimeException {
  StepFailed(String why) { super(why) }
}

class Mock {
  File folder
  boolean dry
  String failing
  Map params = [:]
  Map environment = [:]
  String result = 'SUCCESS'
  String stageName = null

  void say(Map event) {
    println(JsonOutput.toJson(stageName ? [stage: stageName] + event : event))
    System.out.flush()
  }

  def run(Closure body) {
    body.delegate = this
    body.resolveStrategy = Closure.DELEGATE_FIRST
    body()
  }

  // ---- sections ----
  def pipeline(Closure body) {
    Map sections = collect(body, ['agent', 'options', 'parameters', 'stages', 'post', 'environment'])
    if (!sections.agent) throw new IllegalStateException('a pipeline needs an agent')
    if (!sections.stages) throw new IllegalStateException('a pipeline needs stages')
    if (sections.options) say([options: names(sections.options)])
    if (sections.parameters) readParameters(sections.parameters)
    try {
      run(sections.stages)
    } catch (StepFailed e) {
      result = 'FAILURE'
    }
    stageName = null
    if (sections.post) postConditions(sections.post)
    say([result: result])
  }

  // The sections of a block, as closures, in whatever order they are written; another word is an error, as Jenkins' own validator has it.
  Map collect(Closure body, List known) {
    Map found = [:]
    def reader = new Expando()
    body.delegate = new SectionReader(found: found, known: known)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    return found
  }

  List names(Closure body) {
    List seen = []
    body.delegate = new NameReader(seen: seen)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    return seen
  }

  void readParameters(Closure body) {
    body.delegate = new ParameterReader(mock: this)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
  }

  def stage(String name, Closure body) {
    Map sections = collect(body, ['steps', 'post', 'when', 'environment', 'agent', 'options'])
    stageName = name
    say([event: 'begin'])
    StepFailed failure = null
    try {
      run(sections.steps)
    } catch (StepFailed e) {
      failure = e
      say([event: 'failed', why: e.message])
      result = 'FAILURE'
    }
    if (sections.post) postConditions(sections.post)
    stageName = name
    say([event: 'end'])
    if (failure) throw failure
  }

  void postConditions(Closure body) {
    Map found = collect(body, ['always', 'success', 'failure', 'unstable', 'changed', 'aborted', 'cleanup'])
    for (condition in ['always', 'success', 'failure', 'cleanup']) {
      boolean due = condition in ['always', 'cleanup'] || condition == (result == 'SUCCESS' ? 'success' : 'failure')
      if (found[condition] && due) {
        say([post: condition])
        run(found[condition])
      }
    }
  }

  // ---- steps ----
  def steps(Closure body) { run(body) }
  def script(Closure body) { run(body) }
  def echo(String text) { say([echo: text]) }
  def cleanWs() { say([step: 'cleanWs']) }
  def checkout(Object what) { say([step: 'checkout']) }
  Object getScm() { 'scm' }
  def junit(Map arguments) { say([step: 'junit', arguments: arguments]) }
  def archiveArtifacts(Map arguments) { say([step: 'archiveArtifacts', arguments: arguments]) }
  Map usernamePassword(Map arguments) { arguments }

  def withEnv(List<String> pairs, Closure body) {
    Map before = new HashMap(environment)
    pairs.each { pair -> environment[pair.substring(0, pair.indexOf('='))] = pair.substring(pair.indexOf('=') + 1) }
    try { run(body) } finally { environment = before }
  }

  def withCredentials(List bindings, Closure body) {
    say([step: 'withCredentials', ids: bindings*.credentialsId])
    List pairs = []
    bindings.each { pairs << "${it.usernameVariable}=mock-user".toString(); pairs << "${it.passwordVariable}=mock-secret-never-printed".toString() }
    withEnv(pairs, body)
  }

  def sh(String command) {
    say([sh: command, environment: environment.findAll { !it.key.contains('SECRET') }])
    if (failing == command) throw new StepFailed("${command}: failed on purpose")
    if (dry) return
    def builder = new ProcessBuilder('bash', '-c', command).directory(folder).redirectErrorStream(true)
    builder.environment().putAll(environment)
    def process = builder.start()
    process.outputStream.close()
    process.inputStream.eachLine { line -> say([output: line]) }
    int status = process.waitFor()
    if (status != 0) throw new StepFailed("${command}: exit status ${status}")
  }
}

class SectionReader {
  Map found
  List known
  def invokeMethod(String name, Object arguments) {
    if (!(name in known)) throw new IllegalStateException("'${name}' is no section here; known are ${known.join(', ')}")
    if (found.containsKey(name)) throw new IllegalStateException("'${name}' is there twice")
    found[name] = arguments[0]
  }
  Object getAny() { 'any' }
}

class NameReader {
  List seen
  def invokeMethod(String name, Object arguments) {
    seen << name
    return null
  }
}

class ParameterReader {
  Mock mock
  def string(Map arguments) { mock.params.putIfAbsent(arguments.name, arguments.defaultValue) }
}

def options = args as List
def mock = new Mock(folder: new File(options[1]), dry: '--dry' in options)
for (int i = 2; i < options.size(); i++) {
  if (options[i] == '--fail') mock.failing = options[i + 1]
  if (options[i] == '--param') {
    def pair = options[i + 1]
    mock.params[pair.substring(0, pair.indexOf('='))] = pair.substring(pair.indexOf('=') + 1)
  }
}
def shell = new GroovyShell(this.class.classLoader, new Binding([params: mock.params]))
def text = new File(options[0]).text
// A script's top-level calls go to the mock.
def script = shell.parse(text)
script.metaClass.methodMissing = { String name, arguments -> mock.invokeMethod(name, arguments) }
script.metaClass.propertyMissing = { String name -> name == 'any' ? 'any' : mock."$name" }
script.run()
System.exit(mock.result == 'SUCCESS' ? 0 : 1)
