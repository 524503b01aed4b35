# The image of the server: one static binary, the roots of TLS and a folder for temporary files. Two ways to the same image:
#
#     docker build .                              compiles; this file and a network are enough
#     docker build --build-arg BINARY=given .     takes target/image, where k8s/image puts the binary that was tested
#
# Behind a company's proxy, its certificates reach the compiling step, and nothing that ships, by --secret id=ca,src=FILE.
ARG BINARY=compiled
ARG RUST=1.95

FROM rust:${RUST}-slim-bookworm AS compiled
WORKDIR /source
COPY . .
# The dependencies and what cargo made of them stay in a cache, apart from the sources, for one architecture each. Cargo
# goes by the time of a file, and the cache may be younger than a checkout: touched sources are always compiled.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/cache,sharing=locked \
    --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export CARGO_HTTP_CAINFO=/run/secrets/ca; fi; \
    find src bin models -type f -exec touch {} + && \
    CARGO_TARGET_DIR=/cache cargo rustc --release --locked --bin server -- -C target-feature=+crt-static && \
    k8s/rootfs /cache/release/server /image

FROM scratch AS given
COPY target/image /image

# hadolint ignore=DL3006
FROM ${BINARY} AS binary

FROM scratch
COPY --from=binary /image/base /
COPY --from=binary /image/server /
# A container is reached from outside; everything else keeps its default.
ENV TWOFOLD_LISTEN=0.0.0.0:8080 \
    SSL_CERT_FILE=/ca-certificates.crt
EXPOSE 8080
# The user that distroless images call nonroot: by number, so that Kubernetes can see that it is not root.
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/server", "--check"]
ENTRYPOINT ["/server"]
ARG SOURCE=
ARG REVISION=
ARG VERSION=
LABEL org.opencontainers.image.title="twofold" \
      org.opencontainers.image.description="Serves ONNX models over the Open Inference Protocol" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"
