"""The tests: unit, integration, chaos, containers, and the support code that they share."""
