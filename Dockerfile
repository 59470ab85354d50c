# The image of the service: what it runs on, git, and nothing to build or install with.
#
#   docker build -t tiphys .
#   docker run --rm --read-only --tmpfs /tmp -v tiphys:/var/lib/tiphys -p 12000:12000 tiphys
#
# A base by its digest: --build-arg BASE=python@sha256:…
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# Every dependency as a wheel whose hash stands in constraints-image.txt.
COPY constraints-image.txt ./
RUN python -m pip download --quiet --require-hashes --only-binary=:all: --no-deps --dest /wheels -r constraints-image.txt
# Our own wheel, by the build tools among them, in an environment that stays here.
COPY pyproject.toml README.md LICENSE ./
COPY tiphys/ tiphys/
COPY eventsource/ eventsource/
COPY sensors/ sensors/
COPY dispatcher/ dispatcher/
COPY examples/quickstart/ examples/quickstart/
RUN python -m venv /building \
 && /building/bin/python -m pip install --quiet --no-index --find-links /wheels hatchling \
 && /building/bin/python -m hatchling build -t wheel -d /wheels
# What runs: no pip, no build tools, compiled beforehand since the root is read-only.
RUN python -m venv --without-pip /opt/tiphys \
 && python -m pip --python /opt/tiphys/bin/python install --quiet --no-index --find-links /wheels "tiphys[crypto]" \
 && /opt/tiphys/bin/python -m compileall -q -j 0 /opt/tiphys/lib

FROM ${BASE}
# git and ssh for the git source and for artifacts; tini reaps what git leaves behind.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git openssh-client tini \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
 && python -m pip uninstall --quiet --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.*/ensurepip \
 && groupadd --gid 10001 tiphys \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tiphys --shell /usr/sbin/nologin tiphys \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/tiphys
COPY --from=build /opt/tiphys /opt/tiphys
ENV PATH=/opt/tiphys/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/tiphys \
    TIPHYS_DATA=/var/lib/tiphys
LABEL org.opencontainers.image.title=tiphys \
      org.opencontainers.image.description="Event-driven triggers for Kubernetes" \
      org.opencontainers.image.licenses=Apache-2.0
USER 10001:10001
WORKDIR /var/lib/tiphys
VOLUME /var/lib/tiphys
EXPOSE 12000 7777
ENTRYPOINT ["/usr/bin/tini", "--", "/opt/tiphys/bin/tiphys"]
CMD ["serve"]
