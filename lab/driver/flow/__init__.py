"""The executors with a greenlet for whoever asks: *flow*, a journey or request for each arrival, and *closed*."""
