"""One judge a module; every waveform is mono float32 in [-1, 1] at 16 kHz, shape ``(T,)``.

=============  =========================================================  =====================
module         figure                                                     judge
=============  =========================================================  =====================
``text``       CER, WER                                                   edit distance
``asr``        the transcript those are computed on                       pocketsphinx, en-us
``speaker``    SIM, cosine of two speaker embeddings                      Resemblyzer
``mos``        DNSMOS, predicted opinion, 1 to 5                          speechmos
``pitch``      VDE, GPE, FFE                                              swift-f0
``loudness``   loudness difference in LU                                  pyloudnorm
``bootstrap``  95 % intervals over utterances                             NumPy
=============  =========================================================  =====================
"""
