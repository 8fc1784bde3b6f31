"""A collection served: REST for programs and pages, MCP for assistants."""
