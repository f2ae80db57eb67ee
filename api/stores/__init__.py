"""The kinds of stores that sealed files can lie in: a folder, or anything that speaks S3."""
