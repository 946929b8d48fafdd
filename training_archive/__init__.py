"""The live database becomes a verified chunk in a ZIP, and the ZIP becomes examples again."""
