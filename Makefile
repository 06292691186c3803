# The words people type. Everything real is in meson.build and ci/.
BUILD ?= build
PYTHON ?= /usr/bin/python3
export BUILD PYTHON

.PHONY: all run test test-delivery lint interop interop-full bench asan tsan arm64 fuzz docker docker-archive deb dist wheel docs jenkins-test checkout venv venv-check dependencies unit-tests data-quality install clean format

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet

$(BUILD)/build.ninja: | packages-build
	@meson setup $(BUILD) --buildtype=debugoptimized >/dev/null && echo "opis: configured in $(BUILD)"

.PHONY: packages-build packages-test packages-container packages-deb packages-jenkins
packages-build:
	@ci/install-packages ci/packages-build.txt
packages-test:
	@ci/install-packages ci/packages-build.txt ci/packages-test.txt

packages-container:
	@docker info >/dev/null 2>&1 || ci/install-packages ci/packages-container.txt

packages-deb:
	@ci/install-packages ci/packages-build.txt ci/packages-deb.txt

packages-jenkins:
	@ci/install-packages ci/packages-build.txt ci/packages-jenkins.txt

run: all ## build, and describe the photographs in examples/
	@echo "$$ opis describe examples/*.jpg"
	@$(BUILD)/opis describe examples/*.jpg

test: packages-test packages-jenkins ## every test that needs no peer; ends with "N passed, N failed"
	@ci/test

test-delivery: all packages-test packages-deb packages-jenkins ## the container image, the packages, the pipeline: built, and tried
	@ci/install-packages ci/packages-container.txt
	@ci/test-delivery

lint: packages-test ## formatting, clang-tidy, cppcheck, shellcheck
	@ci/lint

docs: packages-test ## the reference of the C interface (Doxygen), in $(BUILD)/reference/html; no warning is let pass
	@ci/docs

interop: all packages-test ## against the real peers (Transformers, Pillow, DVC, cleanvision, ...), short
	@ci/interop short

interop-full: all packages-test ## the same, long
	@ci/interop full

bench: all ## opis beside Transformers, ONNX Runtime and OpenVINO at true size (BENCH=options of bench/peers.py)
	@ci/bench $(BENCH)

asan: packages-test ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@ci/sanitize address,undefined

tsan: packages-test ## the threaded tests under ThreadSanitizer
	@ci/sanitize thread

arm64: all packages-test ## built for arm64, and its tests run under qemu
	@ci/arm64

fuzz: packages-test ## every fuzz target for SECONDS each (default 60)
	@ci/fuzz $(or $(SECONDS_EACH),60)

docker: packages-container ## the container image localhost/opis
	@ci/docker build

docker-archive: packages-container ## the image as dist/opis-image.tar.gz
	@ci/docker archive

jenkins-test: packages-test packages-jenkins packages-container ## the Jenkinsfile, evaluated stage by stage in a clean clone
	@OPIS_JENKINS=full $(PYTHON) -m pytest -q -p no:cacheprovider tests/delivery/test_jenkins.py tests/delivery/test_jenkins_run.py

# The steps of a pipeline (Jenkinsfile, .github/workflows/ci.yml)
checkout venv venv-check dependencies: ## steps of a pipeline, with unit-tests and data-quality
	@ci/pipeline $@
unit-tests:
	@ci/pipeline $@
data-quality: all
	@ci/pipeline $@

deb: packages-deb ## the Debian packages of what is committed, in dist/
	@ci/deb

dist: packages-deb ## a relocatable tarball of what is committed, in dist/
	@ci/dist

wheel: all ## the Python module with the library inside, in dist/
	@ci/wheel

format: ## lay the sources out as .clang-format says
	@git ls-files '*.c' '*.h' | grep -v third_party | xargs clang-format -i

install: all
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir "$$(realpath -m -- "$(DESTDIR)")")

clean:
	@rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-arm64 $(BUILD)-fuzz
