"""The workbench in a browser: parse, authorise, call one service, show one page."""
