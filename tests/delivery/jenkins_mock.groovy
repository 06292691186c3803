// A small mock of Jenkins' declarative pipeline: evaluates a Jenkinsfile as strictly as Jenkins' own validator, tells what happens as JSON lines, and runs each `sh` step.
//   groovy jenkins_mock.groovy JENKINSFILE WORKSPACE [--dry] [--scm REPOSITORY] [--artifacts FOLDER] [--fail COMMAND] [--param NAME=VALUE]
// --dry runs nothing; --fail lets this command fail; `checkout scm` clones the repository into the workspace, archiveArtifacts copies into the folder.
import groovy.json.JsonOutput

class StepFailed extends RuntimeException {
  StepFailed(String why) { super(why) }
}

class Mock {
  static final SECTIONS = ['agent', 'options', 'parameters', 'stages', 'post', 'environment', 'tools', 'triggers', 'libraries']
  static final STAGE_SECTIONS = ['steps', 'post', 'when', 'environment', 'agent', 'options', 'input', 'tools']
  static final CONDITIONS = ['always', 'changed', 'fixed', 'regression', 'aborted', 'failure', 'success', 'unstable', 'unsuccessful', 'cleanup']
  static final OPTIONS = ['buildDiscarder', 'checkoutToSubdirectory', 'disableConcurrentBuilds', 'disableResume', 'logRotator', 'newContainerPerStage', 'overrideIndexTriggers', 'parallelsAlwaysFailFast',
                          'preserveStashes', 'quietPeriod', 'retry', 'skipDefaultCheckout', 'skipStagesAfterUnstable', 'timeout', 'timestamps']

  File folder, artifacts
  String scmAddress
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

  static void wrong(String why) { throw new IllegalStateException("Jenkinsfile: ${why}") }

  def run(Closure body) {
    body.delegate = this
    body.resolveStrategy = Closure.DELEGATE_FIRST
    body()
  }

  // ---- sections ----
  def pipeline(Closure body) {
    Map sections = collect(body, SECTIONS)
    if (!sections.agent) wrong('a pipeline needs an agent')
    if (!sections.stages) wrong('a pipeline needs stages')
    if (sections.options) readOptions(sections.options)
    if (sections.parameters) readParameters(sections.parameters)
    checkStages(sections.stages)
    try {
      run(sections.stages)
    } catch (StepFailed e) {
      result = 'FAILURE'
    }
    stageName = null
    if (sections.post) postConditions(sections.post, result)
    say([result: result])
  }

  // The sections of a block, as closures, in whatever order they are written; another word is an error.
  Map collect(Closure body, List known) {
    Map found = [:]
    body.delegate = new SectionReader(found: found, known: known)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    return found
  }

  void readOptions(Closure body) {
    Map seen = [:]
    body.delegate = new OptionReader(seen: seen)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    say([options: seen])
  }

  void readParameters(Closure body) {
    body.delegate = new ParameterReader(mock: this)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    say([parameters: params])
  }

  // Jenkins reads the whole file before it runs a step: what is wrong in the last stage is found in the first second.
  void checkStages(Closure body) {
    List names = []
    body.delegate = new StageReader(mock: this, names: names)
    body.resolveStrategy = Closure.DELEGATE_ONLY
    body()
    if (!names) wrong('no stage')
    if (names.toSet().size() != names.size()) wrong('two stages have one name')
    say([stages: names])
  }

  def stage(String name, Closure body) {
    Map sections = collect(body, STAGE_SECTIONS)
    stageName = name
    say([event: 'begin'])
    if (sections.options) readOptions(sections.options)
    StepFailed failure = null
    try {
      run(sections.steps)
    } catch (StepFailed e) {
      failure = e
      say([event: 'failed', why: e.message])
    }
    if (sections.post) {
      try {
        postConditions(sections.post, failure ? 'FAILURE' : 'SUCCESS')
      } catch (StepFailed e) {
        failure = failure ?: e
        say([event: 'failed', why: e.message])
      }
    }
    stageName = name
    say([event: 'end'])
    if (failure) {
      result = 'FAILURE'
      throw failure
    }
  }

  void postConditions(Closure body, String state) {
    Map found = collect(body, CONDITIONS)
    for (condition in ['always', state == 'SUCCESS' ? 'success' : 'failure', 'unsuccessful', 'cleanup']) {
      if (found[condition] && (condition != 'unsuccessful' || state != 'SUCCESS')) {
        say([post: condition])
        run(found[condition])
      }
    }
  }

  // ---- steps ----
  def script(Closure body) { run(body) }
  def echo(String text) { say([echo: text]) }

  def cleanWs() {
    say([step: 'cleanWs'])
    if (!dry) folder.eachFile { it.directory ? it.deleteDir() : it.delete() }
  }

  Object getScm() { 'scm' }
  def checkout(Object what) {
    say([step: 'checkout'])
    if (!dry) execute(['git', 'clone', '-q', scmAddress, '.'])
  }

  List<File> matching(String pattern) {
    def matcher = java.nio.file.FileSystems.default.getPathMatcher("glob:${pattern}")
    List<File> found = []
    def root = folder.toPath()
    new File(folder, pattern.substring(0, pattern.lastIndexOf('/'))).eachFile { if (matcher.matches(root.relativize(it.toPath()))) found << it }
    return found.sort()
  }

  def junit(Map arguments) {
    say([step: 'junit', arguments: arguments])
    if (dry) return
    def files = matching(arguments.testResults)
    if (!files && !arguments.allowEmptyResults) throw new StepFailed("junit: no file matches ${arguments.testResults}")
    int cases = 0
    files.each { cases += new XmlSlurper().parse(it).'**'.count { it.name() == 'testcase' } }
    say([junit: cases])
  }

  def archiveArtifacts(Map arguments) {
    say([step: 'archiveArtifacts', arguments: arguments])
    if (dry) return
    def files = matching(arguments.artifacts)
    if (!files && !arguments.allowEmptyArchive) throw new StepFailed("archiveArtifacts: no file matches ${arguments.artifacts}")
    files.each { new File(artifacts, it.name).bytes = it.bytes }
  }

  Map usernamePassword(Map arguments) {
    if (arguments.keySet() != (['credentialsId', 'usernameVariable', 'passwordVariable'] as Set)) wrong("usernamePassword takes credentialsId, usernameVariable and passwordVariable")
    arguments
  }

  def withEnv(List pairs, Closure body) {
    Map before = new HashMap(environment)
    pairs*.toString().each { pair -> environment[pair.substring(0, pair.indexOf('='))] = pair.substring(pair.indexOf('=') + 1) }
    try { run(body) } finally { environment = before }
  }

  def withCredentials(List bindings, Closure body) {
    say([step: 'withCredentials', ids: bindings*.credentialsId])
    List pairs = []
    bindings.each { pairs << "${it.usernameVariable}=mock-user"; pairs << "${it.passwordVariable}=mock-secret-never-printed" }
    withEnv(pairs, body)
  }

  def sh(Object command) {
    if (command instanceof GString) wrong("sh with a double-quoted string would print and split what is put in: ${command}")
    say([sh: command, environment: environment.findAll { !it.key.contains('SECRET') }])
    if (failing == command) throw new StepFailed("${command}: failed on purpose")
    if (!dry) execute(['bash', '-xec', command])
  }

  void execute(List command) {
    def builder = new ProcessBuilder(command).directory(folder).redirectErrorStream(true)
    builder.environment().putAll(environment)
    def process = builder.start()
    process.outputStream.close()
    process.inputStream.eachLine('UTF-8') { line -> say([output: line]) }
    int status = process.waitFor()
    if (status != 0) throw new StepFailed("${command.join(' ')}: exit status ${status}")
  }
}

class SectionReader {
  Map found
  List known
  def invokeMethod(String name, Object arguments) {
    if (!(name in known)) Mock.wrong("'${name}' is no section here; known are ${known.join(', ')}")
    if (found.containsKey(name)) Mock.wrong("'${name}' is there twice")
    found[name] = arguments[0]
  }
  Object getAny() { 'any' }
}

class StageReader {
  Mock mock
  List names
  def stage(String name, Closure body) {
    Map sections = mock.collect(body, Mock.STAGE_SECTIONS)
    if (!(sections.steps instanceof Closure)) Mock.wrong("stage '${name}' has no steps")
    if (sections.post) mock.collect(sections.post, Mock.CONDITIONS)
    names << name
  }
}

class OptionReader {
  Map seen
  def invokeMethod(String name, Object arguments) {
    if (!(name in Mock.OPTIONS)) Mock.wrong("'${name}' is no option")
    def list = arguments as List
    seen[name] = list ? list[0] : true
    return list ? list[0] : true
  }
}

class ParameterReader {
  Mock mock
  def string(Map arguments) {
    if (!['name', 'defaultValue', 'description', 'trim'].containsAll(arguments.keySet())) Mock.wrong("a string parameter has no ${arguments.keySet()}")
    mock.params.putIfAbsent(arguments.name, arguments.defaultValue)
  }
}

def words = args as List
def mock = new Mock(folder: new File(words[1]), dry: '--dry' in words)
for (int i = 2; i < words.size(); i++) {
  def value = i + 1 < words.size() ? words[i + 1] : null
  switch (words[i]) {
    case '--fail': mock.failing = value; break
    case '--scm': mock.scmAddress = value; break
    case '--artifacts': mock.artifacts = new File(value); break
    case '--param': mock.params[value.substring(0, value.indexOf('='))] = value.substring(value.indexOf('=') + 1); break
  }
}
def shell = new GroovyShell(this.class.classLoader, new Binding([params: mock.params]))
def script = shell.parse(new File(words[0]).getText('UTF-8'))
// A script's top-level calls go to the mock.
script.metaClass.methodMissing = { String name, arguments -> mock.invokeMethod(name, arguments) }
script.metaClass.propertyMissing = { String name -> mock."$name" }
script.run()
System.exit(mock.result == 'SUCCESS' ? 0 : 1)
