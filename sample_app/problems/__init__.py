"""One module for each documented problem, with the problem and its fixes as neighbours."""
