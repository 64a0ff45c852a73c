"""What the command line needs beside the codec: pairing inputs with outputs, writing safely, reporting. Free of PyTorch."""
