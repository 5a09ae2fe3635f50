"""Where the faces of a photo are: landmarks, their capture in several passes, the drawing of what was measured."""
