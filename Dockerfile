# The workbench in a container: uid 1000 and port 7860, as Spaces expect them.
#   docker build -t colorization-workbench .
#   docker run -p 7860:7860 colorization-workbench
# With the demo and its API at /demo/ on the same port, append to that line:
#   python -m workbench serve --host 0.0.0.0
FROM python:3.11-slim

RUN useradd --create-home --uid 1000 user && install --directory --owner user /home/user/app
WORKDIR /home/user/app

# Every file is checked against its hash. A machine without a GPU needs only torch's CPU build, which
# has hashes of its own: --build-arg REQUIREMENTS=requirements.txt --build-arg
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the image some 4 GB smaller.
ARG REQUIREMENTS=requirements.lock
ARG PIP_EXTRA_INDEX_URL
COPY requirements.txt requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check -r ${REQUIREMENTS}

COPY --chown=user . .
USER 1000
ENV HOME=/home/user
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/_stcore/health')"]
CMD ["streamlit", "run", "app.py", "--server.port=7860", "--server.address=0.0.0.0"]
