# syntax=docker/dockerfile:1
# The packager, with GStreamer. The same executable serves too: `vidstream serve` is origin and packager in one container.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY scripts/setup.sh scripts/
RUN scripts/setup.sh build-packager
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,id=target-packager,sharing=locked \
    scripts/build.sh packager && install -D target/release/vidstream /out/vidstream

FROM debian:bookworm-slim
COPY scripts/setup.sh /usr/local/lib/vidstream/
RUN /usr/local/lib/vidstream/setup.sh run-packager \
    && useradd --system --uid 10001 --no-create-home --home-dir /var/lib/vidstream vidstream \
    && install -d -o vidstream -g vidstream /var/lib/vidstream
COPY --from=build /out/vidstream /usr/local/bin/
USER 10001:10001
# Nothing else is written to, but the temporary folders of children: the rest of the file system may be read-only.
WORKDIR /var/lib/vidstream
ENV VIDSTREAM_DATA=/var/lib/vidstream \
    VIDSTREAM_ADMIN_LISTEN=0.0.0.0:9090
EXPOSE 9090
# A packager whose catalog or bucket is away is not well, and goes on by itself when they are back. A job that hangs is
# ended by its worker, and one whose worker is gone is taken by another when its lease has run out.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--output", "/dev/null", "http://127.0.0.1:9090/readyz"]
ENTRYPOINT ["vidstream"]
CMD ["packager"]
