"""From a direction's history to batches on the device: windows, packed layouts, negatives."""
