"""Published checkpoints of unit vocoders -> model folders of ours."""
