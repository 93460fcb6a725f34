"""One server for many visitors: what they share, the API, the demo."""
