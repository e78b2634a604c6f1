"""What stands behind the paper's figures, each with numbers beside the picture, and the style that they share."""
