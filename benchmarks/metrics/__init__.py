"""One judge a module; every waveform is mono float32 in [-1, 1] at 16 kHz, shape ``(T,)``.

===============  =======================================================  ==========================
module           figure                                                   judge
===============  =======================================================  ==========================
``text``         WER, CER; dWER, dCER against the original                whisper-normalizer, rapidfuzz
``asr``          the transcript those are computed on                     Moonshine, transformers
``speaker``      SIM, cosine of two speaker embeddings                    Resemblyzer
``eer``          EER, how often those mistake the speaker                 NumPy
``mos``          DNSMOS, predicted opinion, 1 to 5                        speechmos
``naturalness``  UTMOS, Distill-MOS, NISQA: the same by other networks    where installed
``pitch``        VDE, GPE, FFE, log-F0 RMSE and correlation               swift-f0, YAAPT
``intrusive``    ESTOI and PESQ, hardly meaningful for vocoders           pystoi, pesq
``mel``          mean log-mel difference in dB                            ``unitcodec.features``
``loudness``     loudness difference in LU                                pyloudnorm
``bootstrap``    95 % intervals over utterances, paired differences       NumPy
===============  =======================================================  ==========================
"""
