# The image of opis: the program with its model, the libraries it needs, nothing else.
#   make docker            builds localhost/opis
#   docker compose up      the page on port 8501
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY ci/packages-build.txt ci/install-packages ci/
RUN apt-get update && apt-get install -y --no-install-recommends $(sed 's/#.*//' ci/packages-build.txt) libheif1 binutils && rm -rf /var/lib/apt/lists/*
COPY . .
RUN make BUILD=/build && ci/rootfs /build/opis /rootfs

FROM scratch
COPY --from=build /rootfs/ /
LABEL org.opencontainers.image.title="opis" \
      org.opencontainers.image.description="Says in words what is on a picture: web page, HTTP API and command line, with a small model inside" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV OPIS_HOME=/data/models OPIS_HOST=0.0.0.0 OPIS_PORT=8501 LANG=C.UTF-8
USER 10001:10001
VOLUME /data
WORKDIR /data
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/usr/bin/opis", "health"]
ENTRYPOINT ["/usr/bin/opis"]
CMD ["serve", "--history", "/data/history.sqlite"]
