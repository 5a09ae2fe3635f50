"""HTTP gateway: decodes a photo, measures its geometry, asks Triton for the holistic half, blends 60/40."""
