# The same steps as the Makefile, in a container. On the CPU:
#   docker build -t visavis . && docker run --rm --network host visavis loopback --help
# On an NVIDIA card (TensorRT; pycuda is compiled, hence the -devel image):
#   docker build -t visavis --build-arg BASE=nvidia/cuda:12.8.1-devel-ubuntu24.04 --build-arg EXTRAS=cuda .
#   docker run --rm --gpus all --network host visavis doctor
ARG BASE=debian:12-slim
FROM ${BASE}
ARG EXTRAS=

RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates make python3 python3-venv \
        $(case ",${EXTRAS}," in *,cuda,*) echo g++ python3-dev ;; esac) \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /visavis
COPY . .
RUN make install EXTRAS="${EXTRAS}"

ENTRYPOINT ["/visavis/.venv/bin/visavis"]
CMD ["--help"]
