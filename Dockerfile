# The image of opis: the program with its model, the libraries it loads, nothing else (no shell, no package manager).
#   make docker            builds localhost/opis, with docker or with buildah
#   docker compose up      the page on port 8501
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY ci/packages-build.txt ci/
# The day whose packages are taken: ci/docker gives today's, so that a layer in the cache with libraries from before a mend of Debian's is used for a day at most.
ARG PACKAGES_OF=
# binutils: ci/rootfs strips; libheif1: what opis looks for at run time is put into the image when it is there.
RUN : "${PACKAGES_OF}" && apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get upgrade -y --no-install-recommends \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(sed 's/#.*//' ci/packages-build.txt) binutils libheif1 \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make BUILD=/build && ci/rootfs /build/opis /rootfs

FROM scratch
COPY --from=build /rootfs/ /
LABEL org.opencontainers.image.title="opis" \
      org.opencontainers.image.description="Says in words what is on a picture: web page, HTTP API and command line, with a small model inside" \
      org.opencontainers.image.licenses="Apache-2.0"
# The labels of version and revision are given by ci/docker (make docker): as arguments of the build they would be taken, stale, from buildah's cache.
# Inside, every network: who may reach it is for the one who publishes the port. Names other than localhost: OPIS_ALLOW_HOST.
ENV OPIS_HOME=/data/models OPIS_HOST=0.0.0.0 OPIS_PORT=8501 LANG=C.UTF-8
USER 10001:10001
VOLUME /data
WORKDIR /data
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/usr/bin/opis", "health"]
ENTRYPOINT ["/usr/bin/opis"]
CMD ["serve", "--history", "/data/history.sqlite"]
