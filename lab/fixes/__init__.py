"""What can change between the problem and a fix. One kind a file; the folder is the registry."""
