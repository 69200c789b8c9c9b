# docker build -t deepfake-checker .
# docker run --read-only --tmpfs /tmp --cap-drop ALL -p 8501:8501 deepfake-checker
FROM python:3.12-slim

# The face finder's and the decoders' wheels bring their own libraries; nothing is installed from Debian.
RUN useradd --create-home --uid 10001 app
WORKDIR /app

COPY requirements.lock ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.lock

COPY .streamlit .streamlit
COPY deepfake deepfake
COPY models models
COPY pages pages
COPY ui ui
COPY streamlit_app.py ui_with_api.py LICENSE ./
RUN python -m compileall -q deepfake pages ui ./*.py

# What is written goes below /tmp, so that the file system itself may be read-only.
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    DEEPFAKE_CACHE=/tmp/deepfake-cache \
    DEEPFAKE_RUNS=/tmp/deepfake-runs
USER app
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["streamlit", "run", "streamlit_app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
