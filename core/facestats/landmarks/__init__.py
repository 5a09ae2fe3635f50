"""Where the landmarks of a picture's faces are, by engines that compute the same."""
