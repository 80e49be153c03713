"""Nearest points and shortest paths by minimisation, where no formula is known."""

import numpy as np

_TINY = 1e-12
_GAUSS_NEWTON_STEPS = 12
_DIFFERENCE = 1e-5


def refine_nearest(manifold, X, U, *, n_steps=100, tolerance=1e-11):
    """Coordinates of the locally nearest points, by damped Gauss-Newton from coordinates `U`.

    Parameters stay within their room: one at its end that the gradient pushes outwards is held
    (Bertsekas 1982, Projected Newton methods). A row is done when its step in space is below
    `tolerance`. Rows far away, where the curvature of the manifold slows Gauss-Newton down, go on
    with the full Hessian wherever it is positive.
    """
    U = U.copy()
    residual = X - manifold.points(U)
    value = (residual**2).sum(axis=1)
    damping = np.full(len(U), 1e-6)
    todo = np.arange(len(U))
    for i in range(n_steps):
        if not len(todo):
            break
        frame, gradient, low, high = _free(manifold, U[todo], residual[todo])
        normal = np.swapaxes(frame, 1, 2) @ frame
        if i >= _GAUSS_NEWTON_STEPS:
            normal = _hessian(manifold, X[todo], U[todo], normal)
        step = np.clip(_solve(normal, gradient, damping[todo]), low, high)
        length = np.linalg.norm(np.einsum("nji,ni->nj", frame, step), axis=1)
        moved = manifold._move(U[todo], step)
        left = X[todo] - manifold.points(moved)
        new = (left**2).sum(axis=1)
        better = new <= value[todo]
        keep = todo[better]
        U[keep], residual[keep], value[keep] = moved[better], left[better], new[better]
        damping[todo] = np.clip(damping[todo] * np.where(better, 0.1, 10), 1e-12, 1e6)
        todo = todo[length > tolerance]
    return U


def relax_paths(manifold, U, *, n_steps=100, tolerance=1e-7):
    """Make paths geodesics, their ends fixed.

    Parameters
    ----------
    manifold : Manifold
        Where the paths lie.
    U : ndarray of shape (n_paths, n_points, n_coordinates)
        Coordinates along each path; an odd number of points.
    n_steps : int, default=100
        Largest number of Gauss-Newton steps.
    tolerance : float, default=1e-7
        A path is done when a step takes off a smaller share of its energy.

    Returns
    -------
    U : ndarray of shape (n_paths, n_points, n_coordinates)
        The relaxed paths.

    Notes
    -----
    The energy is the sum of squared chords. At its minimum chords are of equal length and their
    sum is a locally shortest path.
    """
    U = U.copy()
    P = _points(manifold, U)
    energy = _energy(P)
    damping = np.full(len(U), 1e-6)
    todo = np.arange(len(U))
    for _ in range(n_steps):
        if not len(todo):
            break
        step = _path_step(manifold, U[todo], P[todo], damping[todo])
        moved = U[todo]
        inner = moved[:, 1:-1]
        moved[:, 1:-1] = manifold._move(
            inner.reshape(-1, inner.shape[2]), step.reshape(-1, step.shape[2])
        ).reshape(inner.shape)
        points = _points(manifold, moved)
        new = _energy(points)
        better = new <= energy[todo]
        gain = (energy[todo] - new) / (energy[todo] + _TINY)
        keep = todo[better]
        U[keep], P[keep], energy[keep] = moved[better], points[better], new[better]
        damping[todo] = np.clip(damping[todo] * np.where(better, 0.2, 10), 1e-10, 1e6)
        stuck = ~better & (damping[todo] >= 1e5)
        todo = todo[~stuck & ~(better & (gain < tolerance))]
    return U


def path_lengths(manifold, U):
    """Lengths of smooth paths from points on them.

    The sum of chords is too short by a term in the square of the spacing, which the sum over every
    other point tells (Richardson's extrapolation).
    """
    P = _points(manifold, U)
    fine = np.linalg.norm(np.diff(P, axis=1), axis=2).sum(axis=1)
    coarse = np.linalg.norm(np.diff(P[:, ::2], axis=1), axis=2).sum(axis=1)
    return fine + (fine - coarse) / 3


def halve_steps(paths):
    """Paths with a point in the middle of each step."""
    n, m, p = paths.shape
    fine = np.empty((n, 2 * m - 1, p))
    fine[:, ::2] = paths
    fine[:, 1::2] = (paths[:, 1:] + paths[:, :-1]) / 2
    return fine


def _points(manifold, U):
    flat = manifold.points(U.reshape(-1, U.shape[2]))
    return flat.reshape(*U.shape[:2], -1)


def _energy(P):
    return (np.diff(P, axis=1) ** 2).sum(axis=(1, 2))


def _free(manifold, U, pull):
    """Frame and pull along it, zero for parameters that are held at an end; and the room."""
    frame = manifold._frame(U)
    gradient = np.einsum("nji,nj->ni", frame, pull)
    low, high = manifold._room(U)
    held = ((low >= 0) & (gradient < 0)) | ((high <= 0) & (gradient > 0))
    return np.where(held[:, None], 0, frame), np.where(held, 0, gradient), low, high


def _hessian(manifold, X, U, normal):
    """Hessian of half the squared distance by differences, or `normal` where not positive."""
    d = normal.shape[1]
    columns = []
    for step in _DIFFERENCE * np.eye(d):
        slopes = []
        for sign in (1, -1):
            moved = manifold._move(U, np.tile(sign * step, (len(U), 1)))
            pull = X - manifold.points(moved)
            slopes.append(np.einsum("nji,nj->ni", manifold._frame(moved), pull))
        columns.append((slopes[1] - slopes[0]) / (2 * _DIFFERENCE))
    hessian = np.stack(columns, axis=2)
    hessian = (hessian + np.swapaxes(hessian, 1, 2)) / 2
    # What is held at an end has no part in `normal`, nor at the ends has half a difference.
    held = np.diagonal(normal, axis1=1, axis2=2) == 0
    hessian = np.where(held[:, None] | held[:, :, None], 0, hessian) + held[:, None] * np.eye(d)
    positive = np.linalg.eigvalsh(hessian)[:, 0] > 1e-3 * np.abs(normal).max(axis=(1, 2))
    return np.where(positive[:, None, None], hessian, normal)


def _solve(normal, gradient, damping):
    d = normal.shape[-1]
    scale = np.trace(normal, axis1=-2, axis2=-1) / d + _TINY
    damped = normal + (damping * scale)[..., None, None] * np.eye(d)
    return np.linalg.solve(damped, gradient[..., None])[..., 0]


def _path_step(manifold, U, P, damping):
    """Gauss-Newton step of the inner points of each path."""
    n, m = U.shape[0], U.shape[1] - 2
    pull = P[:, 2:] - 2 * P[:, 1:-1] + P[:, :-2]
    frame, gradient, low, high = _free(
        manifold, U[:, 1:-1].reshape(n * m, -1), pull.reshape(n * m, -1)
    )
    d = frame.shape[2]
    frame, gradient = frame.reshape(n, m, -1, d), gradient.reshape(n, m, d)
    diagonal = 2 * np.swapaxes(frame, 2, 3) @ frame
    scale = np.trace(diagonal, axis1=2, axis2=3).mean(axis=1) / d + _TINY
    diagonal = diagonal + (damping * scale)[:, None, None, None] * np.eye(d)
    # A held parameter has an empty row: one on the diagonal leaves it where it is.
    empty = np.abs(frame).max(axis=2) == 0
    diagonal = diagonal + (empty * scale[:, None, None])[..., None] * np.eye(d)
    upper = -np.swapaxes(frame[:, :-1], 2, 3) @ frame[:, 1:]
    step = _solve_tridiagonal(diagonal, upper, gradient)
    return np.clip(step, low.reshape(n, m, d), high.reshape(n, m, d))


def _solve_tridiagonal(diagonal, upper, right):
    """Solve symmetric block-tridiagonal systems, by elimination along the path."""
    m = right.shape[1]
    ratios, values = [], []
    pivot, value = diagonal[:, 0], right[:, 0]
    for i in range(m):
        if i:
            lower = np.swapaxes(upper[:, i - 1], 1, 2)
            pivot = diagonal[:, i] - lower @ ratios[-1]
            value = right[:, i] - np.einsum("nij,nj->ni", lower, values[-1])
        both = value[..., None]
        if i < m - 1:
            both = np.concatenate([both, upper[:, i]], axis=2)
        solved = np.linalg.solve(pivot, both)
        values.append(solved[..., 0])
        ratios.append(solved[..., 1:])
    for i in range(m - 2, -1, -1):
        values[i] = values[i] - np.einsum("nij,nj->ni", ratios[i], values[i + 1])
    return np.stack(values, axis=1)
