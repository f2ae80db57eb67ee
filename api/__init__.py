"""The outside: HTTP, pages, command line, the worker, and the one place that knows concrete classes (composition.py).

May import everything below. Promises: nothing is anonymous but what access.py calls public; every acknowledged write is
committed, and is answered alike when repeated under the same Idempotency-Key; every error is a problem (RFC 9457).
"""
