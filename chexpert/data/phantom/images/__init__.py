"""The images of the phantom: anatomy, findings, exposure, masks."""
