"""File formats that a build can leave out: --define hdf5=off, --define fits=off.

What asks for one in such a build gets an error that says so; its tests show SKIPPED."""

def if_hdf5(yes, no = []):
    return select({"//:hdf5_off": no, "//conditions:default": yes})

def if_fits(yes, no = []):
    return select({"//:fits_off": no, "//conditions:default": yes})

def needs_hdf5():
    """For target_compatible_with."""
    return if_hdf5([], ["//:unavailable"])

def needs_fits():
    """For target_compatible_with."""
    return if_fits([], ["//:unavailable"])
