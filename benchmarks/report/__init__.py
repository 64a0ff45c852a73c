"""What was measured, shown: tables, plots and a page to listen to."""
