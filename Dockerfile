# An image of `refvlm serve` with the built site. Untested: it was written on a machine without Docker.
#
#   docker build -t refvlm .
#   docker run --rm -p 127.0.0.1:8080:8080 -e REFVLM_TOKEN=secret refvlm
#
# The site is built for WebAssembly by the same `cargo xtask site` as everywhere.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN rustup target add wasm32-unknown-unknown \
    && cargo build --release --locked -p native-train --bin refvlm \
    && cargo xtask site --out /site

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home refvlm
COPY --from=build /src/target/release/refvlm /usr/local/bin/refvlm
COPY --from=build /site /site
USER refvlm
EXPOSE 8080
HEALTHCHECK CMD curl --fail --silent http://127.0.0.1:8080/health || exit 1
ENTRYPOINT ["refvlm", "serve", "--bind", "0.0.0.0", "--site", "/site"]
