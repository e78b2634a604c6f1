"""The sections of the report's page: each module prepares the content of one section; templates/ has the HTML."""
