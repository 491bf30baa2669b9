"""Files in and out: the study file, importers and exporters, coverage of what is there."""
