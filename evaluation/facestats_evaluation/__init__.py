"""Agreement of the service's scores with human ratings."""
