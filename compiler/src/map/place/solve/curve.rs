//! Walks through all cores of a mesh in which neighbours in the walk are (nearly always) neighbours on the mesh.

/// Rows there and back, the boustrophedon.
pub fn snake(width: usize, height: usize) -> Vec<usize> {
    bands(width, height, width)
}

/// Bands of `across` columns, walked down and up by turns, each in rows there and back.
pub fn bands(width: usize, height: usize, across: usize) -> Vec<usize> {
    let across = across.max(1);
    let mut walk = Vec::with_capacity(width * height);
    for (band, left) in (0..width).step_by(across).enumerate() {
        let right = (left + across).min(width);
        for step in 0..height {
            let y = if band % 2 == 0 { step } else { height - 1 - step };
            let row = (left..right).map(|x| y * width + x);
            if step % 2 == 0 { walk.extend(row) } else { walk.extend(row.rev()) }
        }
    }
    walk
}

/// The walk of a mesh of `height` by `width`, mirrored on the diagonal.
pub fn transposed(walk: &[usize], width: usize, height: usize) -> Vec<usize> {
    walk.iter().map(|core| core % height * width + core / height).collect()
}

/// Hilbert's curve, for any rectangle (J. Cerveny's generalisation: halves the longer side, keeping pieces even).
pub fn hilbert(width: usize, height: usize) -> Vec<usize> {
    let mut walk = Vec::with_capacity(width * height);
    let (w, h) = (width as isize, height as isize);
    let mut place = |x: isize, y: isize| walk.push(y as usize * width + x as usize);
    if w >= h {
        piece((0, 0), (w, 0), (0, h), &mut place);
    } else {
        piece((0, 0), (0, h), (w, 0), &mut place);
    }
    walk
}

/// Walks the rectangle at `start` spanned by `along`, the way it goes, and `aside`.
fn piece(start: (isize, isize), along: (isize, isize), aside: (isize, isize), place: &mut impl FnMut(isize, isize)) {
    let (x, y) = start;
    let (long, short) = ((along.0 + along.1).abs(), (aside.0 + aside.1).abs());
    let (da, db) = ((along.0.signum(), along.1.signum()), (aside.0.signum(), aside.1.signum()));
    if short == 1 {
        (0..long).for_each(|i| place(x + da.0 * i, y + da.1 * i));
        return;
    }
    if long == 1 {
        (0..short).for_each(|i| place(x + db.0 * i, y + db.1 * i));
        return;
    }
    let (mut a2, mut b2) = ((along.0 >> 1, along.1 >> 1), (aside.0 >> 1, aside.1 >> 1));
    if 2 * long > 3 * short {
        if (a2.0 + a2.1) % 2 != 0 && long > 2 {
            a2 = (a2.0 + da.0, a2.1 + da.1);
        }
        piece(start, a2, aside, place);
        piece((x + a2.0, y + a2.1), (along.0 - a2.0, along.1 - a2.1), aside, place);
    } else {
        if (b2.0 + b2.1) % 2 != 0 && short > 2 {
            b2 = (b2.0 + db.0, b2.1 + db.1);
        }
        piece(start, b2, a2, place);
        piece((x + b2.0, y + b2.1), along, (aside.0 - b2.0, aside.1 - b2.1), place);
        let last = (x + along.0 - da.0 + b2.0 - db.0, y + along.1 - da.1 + b2.1 - db.1);
        piece(last, (-b2.0, -b2.1), (a2.0 - along.0, a2.1 - along.1), place);
    }
}
