"""One straight way for a photo: admission, measuring, asking, blending, the document."""
