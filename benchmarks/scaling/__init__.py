"""What a fleet costs: constants measured on this machine, formulas, and a simulation that checks the formulas."""
