"""The sections of the report's page: each module reads what its section shows; templates/ has the HTML."""
