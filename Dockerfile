# docker build -t auditor .
# docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" auditor run audit.yaml
FROM python:3.12-slim-bookworm

# Pango for the PDF; fonts for Chinese, Japanese, Korean, Arabic, Hebrew and many other scripts, and emoji.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
      fonts-noto-core fonts-noto-cjk fonts-noto-color-emoji \
 && rm -rf /var/lib/apt/lists/*

COPY pyproject.toml README.md LICENSE /src/
COPY auditor /src/auditor
COPY templates /src/templates
COPY configs /src/configs
RUN pip install --no-cache-dir '/src[demo,dicom,huggingface,keras,onnx,timm]'

# Any user can run it, also one without a home: caches go to the temporary folder.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib XDG_CACHE_HOME=/tmp/cache
RUN useradd --no-create-home --uid 10001 auditor
USER auditor
WORKDIR /work
ENTRYPOINT ["auditor"]
CMD ["--help"]
