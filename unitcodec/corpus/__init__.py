"""Recordings by the thousand -> shards of ``.uc`` streams with what is known of each recording, and an index.

``recordings`` reads what there is to code: manifests, folders, WebDataset tars, on disk or behind URLs. ``plan`` cuts it into
slices, each of which becomes a shard with a name of its own. ``encode`` codes a slice, here or in any process of a cluster,
``shards`` writes it, ``cluster`` gives slices to Ray, ``summary`` puts the parts' reports together. A shard is there as a whole
or not at all, and what is there is not made again: so a run that was interrupted is begun again with the same arguments.

Nothing here needs PyTorch before a recording is coded; pyarrow, fsspec and Ray are imported where they are asked for.
"""
