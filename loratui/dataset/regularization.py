"""How often regularization pictures are really shown."""

from __future__ import annotations

from loratui.dataset.scan import Picture, Scan


def used_repeats(scan: Scan) -> dict[Picture, int]:
    """How often each picture is shown in an epoch, in order of registration.

    Training pictures keep their folder's number. Regularization pictures are taken one by one, with
    their own repeats, until they come to at least as many as the training pictures (the overshoot of
    the last one stays); those left over are not in the result. When all together fall short, each in
    turn gets one more until the numbers are equal (sd-scripts library/train_util.py:2169-2183).
    """
    used = {picture: picture.repeats for picture in scan.train_pictures}
    wanted = sum(used.values())
    regularization: dict[Picture, int] = {}
    count = 0
    for picture in scan.reg_pictures:
        if count >= wanted:
            break
        regularization[picture] = picture.repeats
        count += picture.repeats
    if regularization and count < wanted:
        each, more = divmod(wanted - count, len(regularization))
        for index, picture in enumerate(regularization):
            regularization[picture] += each + (index < more)
    return used | regularization
