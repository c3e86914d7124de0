# The workflow with the packages of requirements.lock. A run reads and writes the folder /runs:
#   docker run --rm --shm-size 2g --volume "$PWD:/runs" lbt
# With a GPU: add `--gpus all`. Loader processes need the shared memory.
FROM python:3.11-slim-bookworm

WORKDIR /lbt
# First the packages: a change of the code does not install them again.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY . .
RUN pip install --no-cache-dir --no-deps --editable . \
    && useradd --create-home lbt \
    && mkdir /runs \
    && chown lbt:lbt /runs

USER lbt
WORKDIR /runs
CMD ["snakemake", "--snakefile", "/lbt/workflow/Snakefile", "--cores", "all"]
