# One image for every rule: the packages of requirements.txt, and chrom2expr with its command (docs/environments.md).
FROM python:3.11.14-trixie AS build

# An index that has PyTorch's CPU build makes an image without CUDA.
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/chrom2expr
COPY requirements.txt requirements-cuda.txt ./
RUN /opt/chrom2expr/bin/pip install --requirement requirements.txt --constraint requirements-cuda.txt
COPY pyproject.toml README.md LICENSE ./
COPY workflow/scripts/chrom2expr workflow/scripts/chrom2expr
RUN /opt/chrom2expr/bin/pip install --no-deps --no-build-isolation .

FROM python:3.11.14-slim-trixie

COPY --from=build /opt/chrom2expr /opt/chrom2expr
# Any user may run it: what programs keep for themselves goes to a folder that everybody can write.
ENV PATH=/opt/chrom2expr/bin:$PATH HOME=/tmp
WORKDIR /data
CMD ["chrom2expr", "--help"]
