"""Charts as SVG, drawn without a browser, a font or a script. Every number in them stands in a table too."""
