"""Check the promise across processes: several uvicorn workers, one store, writers, readers, and faults on demand."""
