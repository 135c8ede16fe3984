"""The figures of an accelerator for Prometheus and OpenTelemetry, each with an extra of the package."""
