"""``unitcodec convert-kmeans``: a k-means codebook as others publish it -> the centroids alone, as safetensors.

fairseq and textlesslib publish scikit-learn objects, which are pickles. They are read as data (:mod:`unitcodec.formats.pickles`):
neither joblib nor scikit-learn is needed, and no code that a file might carry is ever run.
"""

from __future__ import annotations

import click

from unitcodec.command.jobs import Job, check_targets
from unitcodec.command.output import Output
from unitcodec.command.run import output_options, say
from unitcodec.errors import UnitcodecError


class CodebookError(UnitcodecError):
    """The file holds no k-means codebook."""


@click.command()
@click.argument("source", metavar="IN")
@click.option("-o", "--out", metavar="FILE.safetensors", required=True, help="The centroids, float32, as the tensor 'centroids'.")
@output_options
def convert_kmeans(source: str, out: str, overwrite: bool, quiet: bool) -> None:
    """Convert a k-means codebook to safetensors, once and for all.

    IN is a joblib or pickle file of scikit-learn's KMeans or MiniBatchKMeans (as fairseq and textlesslib publish them), or an
    array of centroids: .npy, .npz, .safetensors.

    Pickles can carry code. This one is read as data: nothing in it is executed, and a file that asks for more than a codebook
    needs is refused.
    """

    from unitcodec.formats.centroids import read_centroids

    check_targets([Job(source, out)], overwrite)
    try:
        centroids = read_centroids(source)
    except ValueError as error:
        raise CodebookError(f"{source}: {error}") from error
    import safetensors.numpy

    with Output(out, overwrite=overwrite) as output:
        output.write(safetensors.numpy.save({"centroids": centroids}))
    if not quiet:
        say(f"{source} -> {out}: {centroids.shape[0]} centroids of {centroids.shape[1]} dimensions")
