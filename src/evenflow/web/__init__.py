"""The web application: accounts, pages, the API, jobs in the background."""
