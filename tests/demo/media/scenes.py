"""Draws the pictures and films of the demo: small scenes as SVG, one per frame, from shapes, colours and seeds of our own.

    python3 scenes.py SCENE WIDTH HEIGHT FRAMES FOLDER [NAME=VALUE ...]

It writes FOLDER/000.svg and so on; `make.sh` turns them into pictures and films. A scene is a function of the size and of a time from
0 to 1. At 1 it looks as at 0, so that a film is a loop. Nothing depends on a clock, and every random number has a seed, so each
run draws the same.
"""
import math
import pathlib
import random
import sys

TAU = 2 * math.pi


# Colours and shapes.

def mix(a, b, share):
    """A colour between two others, each as #rrggbb."""
    pairs = zip(bytes.fromhex(a[1:]), bytes.fromhex(b[1:]))
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in pairs)


def gradient(name, *colours, radial=False):
    """Colours from top to bottom, or from the centre to the edge. A colour may end with an opacity: `#ffffff/0.5`."""
    kind = "radialGradient" if radial else "linearGradient"
    place = "" if radial else ' x1="0" y1="0" x2="0" y2="1"'
    stops = ""
    for at, colour in enumerate(colours):
        colour, _, opacity = colour.partition("/")
        stops += f'<stop offset="{at / (len(colours) - 1):.3f}" stop-color="{colour}" stop-opacity="{opacity or 1}"/>'
    return f'<{kind} id="{name}"{place}>{stops}</{kind}>'


def glow(name, colour, strength):
    """A light that fades to nothing, without an edge that one could see."""
    steps = [round(strength * (1 - at / 9) ** 2.3, 3) for at in range(10)]
    return gradient(name, *(f"{colour}/{step}" for step in steps), radial=True)


def rect(x, y, w, h, fill, more=""):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" {more}/>'


def circle(x, y, r, fill, more=""):
    return f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{r:.2f}" fill="{fill}" {more}/>'


def ellipse(x, y, rx, ry, fill, more=""):
    return f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{rx:.2f}" ry="{ry:.2f}" fill="{fill}" {more}/>'


def path(points, fill, more="", close=True):
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<path d="M{line}{"Z" if close else ""}" fill="{fill}" {more}/>'


def svg(w, h, defs, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
            f"<defs>{defs}</defs>{body}</svg>\n")


def stars(w, h, count, seed, time, size=1.0):
    dice, out = random.Random(seed), ""
    for _ in range(count):
        x, y, r, phase = dice.random() * w, dice.random() ** 1.4 * h, dice.random(), dice.random()
        light = 0.55 + 0.45 * math.sin(TAU * (time + phase))
        out += circle(x, y, size * (0.5 + r * r * 1.3), "#fff", f'opacity="{light * (0.35 + 0.65 * r):.2f}"')
    return out


def wave(x, seed, parts=5, rough=0.55, shift=0.0):
    """A line of hills: a sum of sines, between -1 and 1. `shift` of 1 brings the same line again, over a width of 1."""
    dice, total, size, sum_of_sizes = random.Random(seed), 0.0, 1.0, 0.0
    for part in range(parts):
        speed, phase = (part + 1) * 1.0 + (part > 1) * part, dice.random()
        total += size * math.sin(TAU * (speed * (x + shift) + phase))
        sum_of_sizes += size
        size *= rough
    return total / sum_of_sizes


def hills(w, h, base, height, fill, seed, shift=0.0, parts=5, rough=0.55, more=""):
    step = max(2, w // 160)
    line = [(x, base + height * wave(x / w, seed, parts, rough, shift)) for x in range(-step, w + 2 * step, step)]
    return path([(-step, h + 2), *line, (w + 2 * step, h + 2)], fill, more)


def cat(x, y, size, fill, tail=0.0):
    """A cat that sits and looks up, seen from behind. Its feet are at the point."""
    s = size
    body = (f'<path d="M{-.30 * s:.1f},0 C{-.36 * s:.1f},{-.42 * s:.1f} {-.17 * s:.1f},{-.58 * s:.1f} 0,{-.60 * s:.1f}'
            f' C{.17 * s:.1f},{-.58 * s:.1f} {.36 * s:.1f},{-.42 * s:.1f} {.30 * s:.1f},0Z" fill="{fill}"/>')
    head = ellipse(0, -.70 * s, .21 * s, .185 * s, fill)
    ears = "".join(path([(k * .20 * s, -.74 * s), (k * .19 * s, -.98 * s), (k * .05 * s, -.86 * s)], fill) for k in (-1, 1))
    bend = .10 * s * math.sin(TAU * tail)
    curl = (f'<path d="M{.22 * s:.1f},{-.05 * s:.1f} C{.55 * s:.1f},{.05 * s:.1f} {.60 * s + bend:.1f},{-.22 * s:.1f}'
            f' {.46 * s + bend:.1f},{-.40 * s:.1f}" fill="none" stroke="{fill}" stroke-width="{.085 * s:.1f}" stroke-linecap="round"/>')
    return f'<g transform="translate({x:.1f},{y:.1f})">{body}{head}{ears}{curl}</g>'


# Scenes: each gets its size and the time, and returns a whole picture.

MOONS = [  # sky from top to bottom, moon, glow, cat
    ("#0b1033", "#2a1f5c", "#7b3f7d", "#ffe9b8", "#ffd98a", "#090b1f"),
    ("#06202b", "#0f4c5c", "#5fa8a0", "#f4f1de", "#bfe8dc", "#04141b"),
    ("#2b0b2f", "#7a1f4f", "#f2836b", "#fff1d6", "#ffc58f", "#1f0620"),
    ("#10142b", "#31407a", "#9db4e0", "#ffffff", "#dfe9ff", "#0a0d1f"),
]


def moon(w, h, time, style=0):
    """A cat on the moon."""
    top, middle, low, light, shine, dark = MOONS[style]
    m = min(w, h)
    x, y, r = w * (.5 if w <= h * 1.2 else .56), h * .50, m * .30
    drift = 0.012 * m * math.sin(TAU * time)
    y += drift
    defs = gradient("sky", top, middle, low) + glow("glow", shine, .75)
    defs += gradient("moon", light, mix(light, shine, .8))
    # A crescent is the moon without another circle.
    defs += (f'<mask id="crescent">{rect(0, 0, w, h, "#fff")}{circle(x - r * .42, y - r * .34, r * .86, "#000")}</mask>')
    body = rect(0, 0, w, h, "url(#sky)") + stars(w, h * .9, 90, 5 + style, time, m / 360)
    body += circle(x, y, r * 2.8, "url(#glow)")
    body += f'<g mask="url(#crescent)">{circle(x, y, r, "url(#moon)")}'
    for cx, cy, cr in ((.62, .30, .10), (.38, .68, .13), (.80, -.08, .07), (.05, .84, .06)):
        body += circle(x + r * cx, y + r * cy, r * cr, shine, 'opacity="0.55"')
    body += "</g>" + cat(x - r * .02, y + r * .515, r * .92, dark, time)
    for layer, share in enumerate((.35, .62, .9)):
        colour = mix(low, top, share)
        body += hills(w, h, h * (.90 + .035 * layer), h * .035, colour, 30 + layer + style, time * (layer % 2 * 2 - 1) if layer < 2 else 0, 3)
    return svg(w, h, defs, body)


def sea(w, h, time, style=0):
    """Dawn over the sea."""
    top, middle, low, sun, water, deep = (
        ("#2b2d6e", "#c2557a", "#ffb26b", "#fff3c9", "#e98a6d", "#1d2558"),
        ("#0d2b52", "#3d7ea6", "#ffd6a5", "#fffdf0", "#7fb7be", "#0b2545"),
    )[style]
    line, x = h * .56, w * .5
    y, r = line - h * .045, h * .105
    defs = gradient("sky", top, middle, low) + gradient("sea", water, mix(water, deep, .55), deep)
    defs += glow("glow", mix(sun, low, .4), .95)
    defs += f'<clipPath id="above">{rect(0, 0, w, line, "#fff")}</clipPath>'
    body = rect(0, 0, w, h, "url(#sky)") + f'<g clip-path="url(#above)">{circle(x, y, r * 6, "url(#glow)")}{circle(x, y, r, sun)}</g>'
    dice = random.Random(7)
    for at in range(7):  # thin clouds, which drift
        cy, length = h * (.10 + .055 * at), w * (.25 + .35 * dice.random())
        cx = (dice.random() + time) % 1.0 * (w + 2 * length) - length
        body += ellipse(cx, cy, length * .5, h * (.006 + .008 * dice.random()), mix(sun, middle, .35), 'opacity="0.45"')
    body += rect(0, line, w, h - line, "url(#sea)")
    for row in range(44):  # the light on the waves
        share = row / 43
        ry = line + (h - line) * share ** 1.35
        spread = r * (.9 + 2.2 * share)
        for part in range(4):
            phase = TAU * (time * (1 + part % 2) + row * .37 + part * .29)
            cx = x + spread * .75 * math.sin(phase + row) * (part - 1.5) / 1.5
            length = spread * (.30 + .22 * math.sin(phase)) * (1 - .35 * share)
            body += ellipse(cx, ry, max(1, length), h * (.0018 + .0052 * share), mix(sun, water, .25 + .35 * share), f'opacity="{.75 - .45 * share:.2f}"')
    for sx, size, speed in ((.24, 1.0, 1), (.76, .62, -1)):  # boats
        bx, by = w * (sx + .02 * speed * math.sin(TAU * time)), line + h * .055 * size
        s = h * .085 * size
        body += path([(bx - s * .8, by), (bx + s * .8, by), (bx + s * .5, by + s * .28), (bx - s * .55, by + s * .28)], deep)
        body += path([(bx, by - s * .1), (bx, by - s * 1.5), (bx + s * .75, by - s * .15)], mix(deep, middle, .25))
        body += path([(bx - s * .08, by - s * .1), (bx - s * .08, by - s * 1.25), (bx - s * .55, by - s * .15)], mix(deep, middle, .4))
    return svg(w, h, defs, body)


HOURS = [("#0a1128", "#14213d"), ("#101c45", "#3c3a73"), ("#27306b", "#b0638b"), ("#3f5b9b", "#ffb38a"), ("#5a95c9", "#ffe3b3"), ("#5fb0e5", "#dff3ff"),
         ("#4aa3df", "#eaf8ff"), ("#4f9bd1", "#fff0cf"), ("#5c7fb8", "#ffcf8f"), ("#4b3f7c", "#ff9468"), ("#2c2256", "#c7527d"), ("#13193c", "#4b3b78")]


def valley(w, h, time, hour=0, move=0):
    """One valley, at an hour of twelve. With `move` a walk through it."""
    top, low = HOURS[int(hour)]
    is_night = int(hour) in (0, 1, 11)
    defs = gradient("sky", top, mix(top, low, .55), low)
    body = rect(0, 0, w, h, "url(#sky)")
    if is_night:
        body += stars(w, h * .55, 70, 3, time, h / 400)
    share = (int(hour) - 1.5) / 9
    sx, sy = (w * (.12 + .76 * share), h * (.52 - .40 * math.sin(math.pi * min(1, max(0, share))))) if not is_night else (w * .70, h * .2)
    light = "#fff6d8" if not is_night else "#e8ecff"
    defs += glow("glow", mix(light, low, .3), .9)
    body += circle(sx, sy, h * .42, "url(#glow)") + circle(sx, sy, h * (.055 if not is_night else .04), light)
    near = mix("#16331f", top, .35) if not is_night else "#070b18"
    for layer in range(6):
        share = layer / 5
        colour = mix(mix(low, top, .45), near, .10 + .90 * share ** .9)
        shift = time * move * (layer > 1) * (1 if layer < 4 else 2)
        rough = .62 if layer < 3 else .48
        body += hills(w, h, h * (.46 + .105 * layer), h * (.085 - .006 * layer), colour, 11 + layer, shift, 6, rough)
        if layer in (1, 3):  # mist
            name = f"mist{layer}"
            defs += gradient(name, low + "/0", low + "/0.42", low + "/0")
            body += rect(0, h * (.47 + .105 * layer), w, h * .17, f"url(#{name})")
    dice = random.Random(4)
    for _ in range(26):  # firs in front
        x = dice.random() * 1.1 * w - .05 * w
        size = h * (.06 + .07 * dice.random())
        y = h * .985 + h * .045 * wave(x / w, 16, 6, .48) + size * .1
        for tier in range(3):
            ty, tw = y - size * (.25 + .27 * tier), size * (.30 - .075 * tier)
            body += path([(x - tw, ty + size * .22), (x, ty - size * .25), (x + tw, ty + size * .22)], mix(near, "#000000", .35))
    return svg(w, h, defs, body)


def desert(w, h, time, style=0):
    """Dunes under the stars."""
    top, middle, low, sand, shade = (("#0a0f2e", "#28266b", "#b55a7a", "#e39b6d", "#3b1d3f"), ("#08222f", "#1f5d6b", "#e7b98a", "#d99a5b", "#2f2235"))[style]
    m = min(w, h)
    defs = gradient("sky", top, middle, low) + f'<filter id="blur" x="-0.5" y="-1" width="2" height="3"><feGaussianBlur stdDeviation="{m * .045:.1f}"/></filter>'
    body = rect(0, 0, w, h, "url(#sky)")
    dice = random.Random(12)
    body += f'<g transform="translate({w * .5:.1f},{h * .30:.1f}) rotate(-52)">'  # the Milky Way
    band = ellipse(0, 0, h * .50, m * .085, "#dcd4ff", 'opacity="0.20"') + ellipse(m * .1, 0, h * .30, m * .035, "#fff2ff", 'opacity="0.26"')
    body += f'<g filter="url(#blur)">{band}</g>'
    for _ in range(260):
        x, y = dice.gauss(0, h * .30), dice.gauss(0, m * .065)
        light = .5 + .5 * math.sin(TAU * (time + dice.random()))
        body += circle(x, y, m / 360 * (.35 + .55 * dice.random()), "#fff", f'opacity="{.25 + .55 * light:.2f}"')
    body += "</g>" + stars(w, h * .62, 120, 8, time, m / 330)
    head = (time * 1.6) % 1.0  # a shooting star
    if head < .35:
        x, y = w * (.85 - 1.3 * head), h * (.08 + .42 * head)
        body += f'<path d="M{x:.1f},{y:.1f}l{w * .16:.1f},{-h * .052:.1f}" stroke="#fff" stroke-width="{m / 240:.2f}" stroke-linecap="round" opacity="{.9 - 2.4 * head:.2f}"/>'
    for layer in range(5):
        share = layer / 4
        base, tall = h * (.60 + .105 * layer), h * .045
        line = [(x, base + tall * wave(x / w * .55 + .17 * layer, 51 + layer, 2, .35)) for x in range(-4, w + 8, 4)]
        name = f"dune{layer}"
        defs += gradient(name, mix(mix(sand, low, .45), sand, share), mix(mix(sand, shade, .55), shade, share))
        body += path([(-4, h + 2), *line, (w + 8, h + 2)], f"url(#{name})")
        for ripple in range(1, 5):  # the wind on the sand
            low_line = [(x, y + m * .020 * ripple * (1 + share) + m * .004 * math.sin(x / w * 40 + ripple)) for x, y in line[6 * ripple::3]]
            body += path(low_line[:len(low_line) * 2 // 3], "none", f'stroke="{shade}" stroke-width="{m / 300:.2f}" opacity="{.20 - .035 * ripple:.2f}"', close=False)
    for at in range(4):  # a caravan
        x = w * (.24 + .10 * at) + w * .012 * math.sin(TAU * time + at)
        y, s = h * .735 + h * .012 * math.sin(at * 1.9), m * .055
        dark = mix(shade, "#000000", .45)
        body += ellipse(x, y - s * .55, s * .42, s * .20, dark) + ellipse(x, y - s * .72, s * .16, s * .16, dark)
        body += path([(x + s * .34, y - s * .62), (x + s * .62, y - s * 1.0), (x + s * .78, y - s * .98), (x + s * .80, y - s * .88), (x + s * .62, y - s * .82), (x + s * .42, y - s * .42)], dark)
        for leg, k in ((-.30, 1), (-.18, -1), (.18, 1), (.30, -1)):
            step = .10 * s * math.sin(TAU * time * 4 + k + at)
            body += path([(x + leg * s, y - s * .5), (x + leg * s + step, y)], "none", f'stroke="{dark}" stroke-width="{s * .085:.1f}"', close=False)
    return svg(w, h, defs, body)


def aurora(w, h, time, style=0):
    """Northern lights over a cabin in the snow."""
    lights = (("#5dffb0", "#3fd0c9", "#a06bff"), ("#ff7ac6", "#8f7bff", "#5de0ff"))[style]
    m = min(w, h)
    defs = gradient("sky", "#050b22", "#0c2444", "#1f4f66") + f'<filter id="soft"><feGaussianBlur stdDeviation="{m / 60:.1f}"/></filter>'
    body = rect(0, 0, w, h, "url(#sky)") + stars(w, h * .7, 110, 21, time, m / 360)
    for band in range(3):
        colour = lights[band]
        defs += gradient(f"light{band}", colour + "/0", colour + "/0.20", colour + "/0.75", colour + "/0")
        strips, count = "", 46
        for at in range(count):
            x = w * (at / (count - 1) * 1.2 - .1)
            u = at / count
            y = h * (.40 + .06 * band) + h * .10 * math.sin(TAU * (u * 1.3 + time + band * .3)) + h * .04 * math.sin(TAU * (u * 3.1 - time + band))
            tall = h * (.30 + .12 * math.sin(TAU * (u * 2.3 + time * (1 + band) + band * .4)))
            strength = .50 + .38 * math.sin(TAU * (u * 4.7 - time * 2 + band * .7)) * math.sin(TAU * (u * 1.1 + band * .2))
            strips += rect(x - w / count * .8, y - tall, w / count * 1.7, tall * 1.12, f"url(#light{band})", f'opacity="{max(.05, strength):.2f}"')
        body += f'<g filter="url(#soft)">{strips}</g>'
    for layer, colour in enumerate(("#16324a", "#0e2236")):
        body += hills(w, h, h * (.74 + .05 * layer), h * .055, colour, 71 + layer, 0, 6, .62)
    defs += gradient("snow", mix("#b9d9e6", lights[0], .25), "#5a86a5", "#27445f")
    body += hills(w, h, h * .865, h * .022, "url(#snow)", 77, 0, 2)
    x, y, s = w * .66, h * .885, m * .085  # the cabin
    body += path([(x - s, y), (x - s, y - s * .75), (x, y - s * 1.45), (x + s, y - s * .75), (x + s, y)], "#0b1522")
    body += path([(x - s * 1.2, y - s * .66), (x, y - s * 1.52), (x + s * 1.2, y - s * .66), (x + s * 1.12, y - s * .52), (x, y - s * 1.34), (x - s * 1.12, y - s * .52)], "#dcebf2")
    defs += glow("warm", "#ffc25c", .9)
    body += circle(x, y - s * .42, s * 1.25, "url(#warm)") + rect(x - s * .26, y - s * .66, s * .52, s * .46, "#ffd782")
    body += rect(x - s * .02, y - s * .66, s * .04, s * .46, "#0b1522") + rect(x - s * .26, y - s * .45, s * .52, s * .04, "#0b1522")
    for puff in range(4):  # smoke
        at = (time + puff / 4) % 1
        body += circle(x + s * (.62 + .30 * math.sin(TAU * at)), y - s * (1.35 + 1.5 * at), s * (.08 + .20 * at), "#cfe3ec", f'opacity="{.35 * (1 - at):.2f}"')
    dice = random.Random(9)
    for _ in range(16):
        tx = dice.random() * w
        if abs(tx - x) < s * 1.6:
            continue
        size = m * (.10 + .10 * dice.random())
        ty = h * (.885 + .06 * dice.random())
        for tier in range(4):
            wide, up = size * (.34 - .07 * tier), size * (.20 + .23 * tier)
            body += path([(tx - wide, ty - up + size * .22), (tx, ty - up - size * .25), (tx + wide, ty - up + size * .22)], mix("#0b1d2b", "#cfe3ec", .06 + .05 * tier))
    return svg(w, h, defs, body)


def lanterns(w, h, time, style=0):
    """An old town in the rain, with lanterns over the river."""
    wall, roof, dusk = (("#d9a441", "#5a2d1f", "#1a1440"), ("#c98f6b", "#43212a", "#0c2233"))[style]
    m = min(w, h)
    line = h * .66
    defs = gradient("sky", dusk, mix(dusk, "#7a3b63", .6), "#e2846b")
    defs += gradient("river", "#3a2450", mix(dusk, "#000000", .2), "#0a0a1c")
    body = rect(0, 0, w, line, "url(#sky)")
    dice, x, row = random.Random(31 + style), -w * .06, 0
    while x < w:  # houses
        wide, tall = m * (.20 + .10 * dice.random()), h * (.20 + .13 * dice.random())
        top = line - tall
        colour = mix(mix(wall, "#b5533c", dice.random() * .55), dusk, .35)
        body += rect(x, top, wide, tall, colour)
        over, eave = wide * .10, h * .055
        body += path([(x - over, top), (x + wide * .12, top - eave), (x + wide * .88, top - eave), (x + wide + over, top), (x + wide + over * .6, top + h * .008), (x - over * .6, top + h * .008)], mix(roof, dusk, .10))
        for floor in range(2):
            for column in range(2):
                wx, wy = x + wide * (.16 + .42 * column), top + tall * (.14 + .42 * floor)
                lit = dice.random() < .7
                body += rect(wx, wy, wide * .26, tall * .25, "#ffd27a" if lit else "#3a2740", 'rx="2"')
                body += rect(wx + wide * .12, wy, wide * .02, tall * .25, mix(roof, dusk, .4))
        x += wide + m * .012
        row += 1
    body += rect(0, line - h * .012, w, h * .03, "#2a1830") + rect(0, line, w, h - line, "url(#river)")
    colours = ("#ff5a4f", "#ffb03b", "#ff7ab8", "#7ee0c2", "#ffd95e", "#9f8bff")
    for at, colour in enumerate(colours):
        defs += glow(f"g{at}", colour, .8)
    for rope in range(3):
        y0, sag, count = h * (.10 + .115 * rope), h * .060, (5, 6, 7)[rope] if w > h else (3, 4, 4)[rope]
        points = [(w * k / 24, y0 + sag * math.sin(math.pi * k / 24) + rope * h * .012) for k in range(25)]
        body += path(points, "none", f'stroke="#120c22" stroke-width="{m / 280:.2f}"', close=False)
        for at in range(count):
            u = (at + .5) / count
            lx, ly = w * u, y0 + sag * math.sin(math.pi * u) + rope * h * .012
            swing = 6 * math.sin(TAU * (time + u * 1.3 + rope * .3))
            r, kind = m * (.030 + .006 * rope), (at * 2 + rope) % len(colours)
            colour, shine = colours[kind], .8 + .2 * math.sin(TAU * (time * 2 + u * 5))
            body += f'<g transform="rotate({swing:.2f} {lx:.1f} {ly:.1f})">' + circle(lx, ly + r * 1.4, r * 3.6, f"url(#g{kind})", f'opacity="{shine:.2f}"')
            body += rect(lx - r * .35, ly + r * .25, r * .7, r * .25, "#3a1d1d") + ellipse(lx, ly + r * 1.4, r * 1.05, r * 1.0, colour)
            body += ellipse(lx, ly + r * 1.4, r * .45, r * .98, mix(colour, "#ffffff", .45), 'opacity="0.8"')
            body += rect(lx - r * .35, ly + r * 2.3, r * .7, r * .22, "#3a1d1d") + rect(lx - r * .05, ly + r * 2.5, r * .1, r * .8, colour) + "</g>"
    for row in range(30):  # reflections
        share = row / 29
        y = line + h * .02 + (h - line - h * .02) * share
        for at in range(7):
            colour = colours[at % 6] if at % 2 else "#ffd27a"
            cx = w * (at + .5) / 7 + m * .02 * math.sin(TAU * (time + row * .21 + at * .4))
            length = m * (.028 + .018 * math.sin(TAU * (time * 2 + row * .31 + at)))
            body += ellipse(cx, y, max(.8, length), h * .0032, colour, f'opacity="{.62 * (1 - share) + .06:.2f}"')
    dice = random.Random(77)
    for _ in range(70):  # rain
        rx, ry, far = dice.random() * w * 1.1, dice.random(), .4 + .6 * dice.random()
        y = ((ry + time * (2 if far < .7 else 3)) % 1) * h * 1.1 - h * .05
        length = h * .040 * far
        body += f'<path d="M{rx - .12 * (y - h * .5):.1f},{y:.1f}l{-length * .12:.1f},{length:.1f}" stroke="#dfe6ff" stroke-width="{m / 420 * far:.2f}" opacity="{.28 * far:.2f}"/>'
    return svg(w, h, defs, body)


def boats(w, h, time, style=0):
    """Paper boats on paper waves."""
    palettes = (("#fdf0d5", "#ff9f6b", ("#a8dadc", "#6bb7c9", "#3f8fb0", "#256d93", "#164a6e")),
                ("#ffe5ec", "#ff5d8f", ("#ffc2d1", "#c9a0dc", "#9a7bd1", "#6a57b8", "#3d3a86")),
                ("#1b2a49", "#ffd166", ("#3d5a80", "#33527b", "#294a75", "#1f3f6b", "#142f57")),
                ("#e9f5db", "#f4a259", ("#b7d7a8", "#8cbf88", "#5fa37a", "#3b8068", "#205b52")))
    paper, sun, waves = palettes[style]
    m = min(w, h)
    defs = gradient("sky", paper, mix(paper, sun, .22)) + glow("glow", sun, .55)
    body = rect(0, 0, w, h, "url(#sky)") + circle(w * .74, h * .30, m * .34, "url(#glow)") + circle(w * .74, h * .30, m * .15, sun)
    for k, (cx, cy, size) in enumerate(((.18, .17, 1), (.46, .10, .7), (.90, .13, .8))):  # clouds of paper
        x, y, s = w * cx + m * .02 * math.sin(TAU * (time + k / 3)), h * cy, m * .10 * size
        colour = mix(paper, "#ffffff", .75) if style != 2 else mix(paper, "#ffffff", .16)
        body += "".join(circle(x + s * a, y - s * b, s * c, colour) for a, b, c in ((-.8, 0, .42), (-.2, .22, .58), (.45, .12, .5), (.95, 0, .34)))
        body += rect(x - s * 1.2, y, s * 2.45, s * .36, colour, f'rx="{s * .18:.1f}"')
    for layer, colour in enumerate(waves):
        base, tall, count = h * (.50 + .105 * layer), h * .030, 3 + layer % 2
        way = 1 if layer % 2 else -1
        height = lambda x, l=layer, c=count, k=way, b=base: b + tall * math.sin(TAU * (x / w * c + k * time + l * .21))
        line = [(x, height(x)) for x in range(-6, w + 12, 6)]
        shade = path([(-6, h + 2), *[(x, y - m * .010) for x, y in line], (w + 12, h + 2)], "#000", 'opacity="0.10"')
        if layer in (0, 1, 2, 3):
            bx = w * (.30, .66, .16, .52)[layer]
            bx += w * .03 * math.sin(TAU * (time + layer * .27))
            s = m * (.085 + .030 * layer)
            by = height(bx) + s * .16
            tilt = 7 * math.cos(TAU * (bx / w * count + way * time + layer * .21)) + 3
            white = ("#ffffff", "#fff4e0", "#ffffff", "#f6fbff")[layer]
            dark = mix(white, waves[-1], .22)
            body += f'<g transform="translate({bx:.1f},{by:.1f}) rotate({tilt:.1f})">'
            body += path([(-.34 * s, -.32 * s), (0, -1.05 * s), (0, -.32 * s)], white) + path([(0, -1.05 * s), (.34 * s, -.32 * s), (0, -.32 * s)], dark)
            body += path([(-.95 * s, -.52 * s), (0, -.30 * s), (0, .10 * s), (-.55 * s, .10 * s)], mix(white, dark, .35))
            body += path([(.95 * s, -.52 * s), (0, -.30 * s), (0, .10 * s), (.55 * s, .10 * s)], mix(dark, waves[-1], .12)) + "</g>"
        body += shade + path([(-6, h + 2), *line, (w + 12, h + 2)], colour)
    return svg(w, h, defs, body)


def train(w, h, time, style=0):
    """The last train over the bridge."""
    top, middle, low, light = (("#0c0f2c", "#33265f", "#c4566e", "#ffd98a"), ("#071a2b", "#14506b", "#f0a36b", "#fff0b8"))[style]
    m = min(w, h)
    rail = h * .60
    defs = gradient("sky", top, middle, low) + glow("glow", light, .7) + gradient("lake", mix(low, top, .55), mix(top, "#000000", .2))
    body = rect(0, 0, w, h, "url(#sky)") + stars(w, h * .45, 70, 44 + style, time, m / 400)
    body += circle(w * .72, h * .22, m * .22, "url(#glow)") + circle(w * .72, h * .22, m * .07, mix(light, "#ffffff", .5))
    body += hills(w, h, h * .52, h * .07, mix(low, top, .55), 90 + style, 0, 6, .6)
    body += hills(w, h, h * .66, h * .05, mix(low, top, .78), 95 + style, 0, 6, .55)
    water = h * .84
    body += rect(0, water, w, h - water, "url(#lake)")
    stone = mix(top, "#000000", .40)
    arches, span = 5, w / 5
    deck = f"M-2,{rail:.1f}H{w + 2}V{water:.1f}"
    for at in reversed(range(arches)):
        left, right = span * (at + .14), span * (at + .86)
        spring = rail + (water - rail) * .52
        deck += f"H{right:.1f}V{spring:.1f}A{(right - left) / 2:.1f},{(spring - rail) * .72:.1f} 0 0 0 {left:.1f},{spring:.1f}V{water:.1f}"
    body += f'<path d="{deck}H-2Z" fill="{stone}"/>' + rect(0, rail - h * .014, w, h * .018, mix(stone, low, .18))
    cars, length, tall = 4, m * .30, m * .095
    total = cars * (length + m * .016)
    head = -total * .05 + (w + total * 1.1) * time
    y = rail - h * .014 - tall
    defs += glow("beam", light, .7)
    reflections = ""
    for car in range(cars):
        x = head - (car + 1) * (length + m * .016)
        body += rect(x, y, length, tall * .90, mix("#7d1f35" if style == 0 else "#1d4e57", top, .25), f'rx="{tall * .16:.1f}"')
        body += rect(x, y + tall * .62, length, tall * .08, mix(light, low, .3)) + rect(x, y, length, tall * .14, mix(top, "#000000", .3), f'rx="{tall * .1:.1f}"')
        for window in range(5):
            wx = x + length * (.07 + .185 * window)
            body += rect(wx, y + tall * .22, length * .13, tall * .30, light, f'rx="{tall * .05:.1f}"')
            for row in range(5):
                ry = water + (h - water) * (.10 + .17 * row)
                shake = length * .05 * math.sin(TAU * (time * 6 + row * .3 + window * .2))
                reflections += rect(wx + shake, ry, length * .13, h * .007, light, f'opacity="{.5 - .09 * row:.2f}"')
        for wheel in (.18, .30, .70, .82):
            body += circle(x + length * wheel, y + tall * .95, tall * .10, "#0a0a14")
    body += ellipse(head + m * .14, y + tall * .55, m * .20, m * .045, "url(#beam)")
    return svg(w, h, defs, body + reflections)


def robot(w, h, time, style=0):
    """A robot waters its plants."""
    wall, floor, steel, leaf, red = (("#fbe9d7", "#e9b384", "#6d8ea0", "#3f8f5f", "#e4572e"), ("#d9f0ea", "#8fc1a9", "#7a6fa8", "#2f7d5b", "#f2a541"))[style]
    s = min(w, h)
    x0, ground = w * .5 - s * .5, h * .82
    defs = gradient("wall", mix(wall, "#ffffff", .5), wall) + gradient("steel", mix(steel, "#ffffff", .35), steel) + glow("sun", "#fff7d6", .9)
    body = rect(0, 0, w, h, "url(#wall)") + rect(0, ground, w, h - ground, floor) + rect(0, ground, w, s * .012, mix(floor, "#000000", .12))
    body += rect(x0 + s * .56, h * .12, s * .34, s * .36, "#bfe3f2", f'rx="{s * .02:.1f}"') + circle(x0 + s * .80, h * .12 + s * .10, s * .14, "url(#sun)") + circle(x0 + s * .80, h * .12 + s * .10, s * .045, "#ffe08a")
    for part in ((.56, 0, .34, .016), (.56, .345, .34, .016), (.56, 0, .016, .36), (.884, 0, .016, .36), (.722, 0, .012, .36)):
        body += rect(x0 + s * part[0], h * .12 + s * part[1], s * part[2], s * part[3], "#ffffff")
    lean = 2.5 * math.sin(TAU * time)
    rx, ry = x0 + s * .30, ground
    body += ellipse(rx, ry + s * .012, s * .17, s * .022, "#000", 'opacity="0.14"')
    body += f'<g transform="rotate({lean:.2f} {rx:.1f} {ry:.1f})">'
    body += "".join(rect(rx + s * k, ry - s * .10, s * .045, s * .10, mix(steel, "#000000", .25), f'rx="{s * .015:.1f}"') for k in (-.085, .04))
    body += rect(rx - s * .125, ry - s * .33, s * .25, s * .25, "url(#steel)", f'rx="{s * .04:.1f}"') + circle(rx, ry - s * .205, s * .045, red) + circle(rx, ry - s * .205, s * .022, "#fff3e0", f'opacity="{.6 + .4 * math.sin(TAU * time * 2):.2f}"')
    body += rect(rx - s * .105, ry - s * .53, s * .21, s * .17, "url(#steel)", f'rx="{s * .045:.1f}"') + rect(rx - s * .02, ry - s * .36, s * .04, s * .04, mix(steel, "#000000", .3))
    blink = .15 if abs(time - .5) < .04 else 1
    body += "".join(ellipse(rx + s * k, ry - s * .45, s * .030, s * .032 * blink, "#fdfdfd") + ellipse(rx + s * (k + .008), ry - s * .45, s * .014, s * .017 * blink, "#22303a") for k in (-.045, .055))
    body += f'<path d="M{rx - s * .03:.1f},{ry - s * .395:.1f}q{s * .035:.1f},{s * .022:.1f} {s * .07:.1f},0" stroke="#22303a" stroke-width="{s * .009:.1f}" fill="none" stroke-linecap="round"/>'
    body += rect(rx - s * .006, ry - s * .60, s * .012, s * .08, mix(steel, "#000000", .3)) + circle(rx, ry - s * .61, s * .022, red)
    body += f'<path d="M{rx + s * .11:.1f},{ry - s * .27:.1f}q{s * .08:.1f},{-s * .01:.1f} {s * .13:.1f},{-s * .07:.1f}" stroke="{mix(steel, "#000000", .2)}" stroke-width="{s * .032:.1f}" fill="none" stroke-linecap="round"/>'
    cx, cy = rx + s * .245, ry - s * .37  # the watering can
    body += f'<g transform="rotate({14 + 3 * math.sin(TAU * time):.1f} {cx:.1f} {cy:.1f})">' + rect(cx - s * .015, cy - s * .03, s * .12, s * .10, red, f'rx="{s * .015:.1f}"')
    body += path([(cx + s * .10, cy + s * .035), (cx + s * .185, cy - s * .03), (cx + s * .20, cy - s * .01), (cx + s * .10, cy + s * .065)], red) + "</g></g>"
    for drop in range(9):
        at = (time * 3 + drop / 9) % 1
        body += ellipse(x0 + s * (.735 + .012 * (drop % 3) + .05 * at), h * .82 - s * (.375 - .24 * at * at - .02 * at), s * .006, s * .011, "#4aa8d8", f'opacity="{.95 - .4 * at:.2f}"')
    for k, (px, size) in enumerate(((.79, 1.0), (.92, .72), (.06, .85))):  # plants
        bx, t = x0 + s * px, s * .16 * size
        sway = 4 * math.sin(TAU * (time + k * .3))
        body += f'<g transform="rotate({sway * .5:.2f} {bx:.1f} {ground:.1f})">'
        for a in (-58, -30, -6, 22, 50):
            body += f'<path transform="translate({bx:.1f},{ground - t * .55:.1f}) rotate({a + sway:.1f})" d="M0,0C{-t * .30:.1f},{-t * .45:.1f} {-t * .12:.1f},{-t * .95:.1f} 0,{-t * 1.05:.1f}C{t * .12:.1f},{-t * .95:.1f} {t * .30:.1f},{-t * .45:.1f} 0,0Z" fill="{mix(leaf, "#b8e08a", (a + 58) / 180)}"/>'
        body += "</g>" + path([(bx - t * .42, ground - t * .60), (bx + t * .42, ground - t * .60), (bx + t * .30, ground + t * .02), (bx - t * .30, ground + t * .02)], mix("#c8663f", "#7d4bb0", style * .6)) + rect(bx - t * .47, ground - t * .68, t * .94, t * .16, mix("#dd7b4d", "#8f5ac2", style * .6))
    return svg(w, h, defs, body)


def reef(w, h, time, style=0):
    """Jellyfish in deep water."""
    top, deep, glows = (("#0a4a78", "#02102b", ("#ff9ecb", "#9fd8ff", "#ffd29e")), ("#3a1b6b", "#0b0424", ("#8affe0", "#ffb0f0", "#a7b8ff")))[style]
    m = min(w, h)
    defs = gradient("water", mix(top, "#5fd0e0", .35), top, deep)
    body = rect(0, 0, w, h, "url(#water)")
    defs += gradient("ray", "#d8fbff/0.30", "#d8fbff/0")
    for ray in range(5):
        x, sway = w * (.08 + .21 * ray), w * .03 * math.sin(TAU * (time + ray / 5))
        body += path([(x, -2), (x + w * .07, -2), (x + w * .16 + sway, h * .85), (x - w * .06 + sway, h * .85)], "url(#ray)", f'opacity="{.55 + .3 * math.sin(TAU * (time + ray * .37)):.2f}"')
    dice = random.Random(15)
    for _ in range(46):  # plankton
        px, py, r = dice.random() * w, (dice.random() - time * dice.choice((0, 1))) % 1 * h, dice.random()
        body += circle(px + m * .01 * math.sin(TAU * (time + r)), py, m * .003 * (.6 + r), "#dffcff", f'opacity="{.25 + .4 * r:.2f}"')
    spots = ((.30, .36, 1.0, 0), (.70, .56, .72, 1), (.78, .22, .48, 2), (.16, .74, .42, 1))
    for k, (cx, cy, size, kind) in enumerate(spots):
        beat = math.sin(TAU * (time * 2 + k * .31))
        s, colour = m * .20 * size, glows[kind]
        x, y = w * cx + m * .015 * math.sin(TAU * (time + k * .4)), h * cy - m * .03 * math.sin(TAU * (time + k * .25))
        wide, tall = s * (1 + .09 * beat), s * (.86 - .08 * beat)
        defs += glow(f"halo{k}", colour, .55) + gradient(f"bell{k}", mix(colour, "#ffffff", .55) + "/0.95", colour + "/0.55")
        body += circle(x, y, s * 2.1, f"url(#halo{k})")
        for arm in range(7):
            ax, far = x + wide * (arm - 3) / 3.6, s * (1.5 + .5 * math.sin(arm * 2.1))
            bend = [s * .16 * math.sin(TAU * (time + arm * .17 + q * .35 + k)) for q in (1, 2, 3)]
            body += (f'<path d="M{ax:.1f},{y:.1f}C{ax + bend[0]:.1f},{y + far * .4:.1f} {ax - bend[1]:.1f},{y + far * .7:.1f} {ax + bend[2]:.1f},{y + far:.1f}" fill="none" stroke="{mix(colour, "#ffffff", .3)}" '
                     f'stroke-width="{s * (.075 if arm % 2 else .035):.2f}" stroke-linecap="round" opacity="0.55"/>')
        edge = "".join(f"q{-wide / 6:.1f},{s * .16:.1f} {-wide / 3:.1f},0" for _ in range(6))
        body += f'<path d="M{x - wide:.1f},{y:.1f}C{x - wide:.1f},{y - tall * 1.25:.1f} {x + wide:.1f},{y - tall * 1.25:.1f} {x + wide:.1f},{y:.1f}{edge}Z" fill="url(#bell{k})"/>'
        body += ellipse(x - wide * .25, y - tall * .55, wide * .28, tall * .14, "#ffffff", f'opacity="0.45" transform="rotate(-18 {x:.1f} {y:.1f})"')
    body += hills(w, h, h * .95, h * .025, mix(deep, "#000000", .35), 3, 0, 4)
    return svg(w, h, defs, body)


def planets(w, h, time, style=0):
    """A ringed planet and its moons."""
    top, low, stripes, ring = (("#0b0a24", "#3b1c5a", ("#ffd6a0", "#f7a072", "#e76f51", "#b5446e"), "#ffe7c2"), ("#04192b", "#0f4c5c", ("#d9f7f0", "#7fd1c7", "#3aa6a0", "#216e7f"), "#e8fff8"))[style]
    m = min(w, h)
    x, y, r = w * .47, h * .50, m * .27
    defs = gradient("sky", top, low) + glow("glow", stripes[1], .7) + f'<clipPath id="disc">{circle(x, y, r, "#fff")}</clipPath>'
    defs += '<radialGradient id="shade" cx="0.32" cy="0.30" r="0.85"><stop offset="0.35" stop-color="#000" stop-opacity="0"/><stop offset="1" stop-color="#05030f" stop-opacity="0.8"/></radialGradient>'
    body = rect(0, 0, w, h, "url(#sky)") + stars(w, h, 150, 61 + style, time, m / 380) + circle(x, y, r * 2, "url(#glow)")
    tilt = f'transform="rotate(-18 {x:.1f} {y:.1f})"'

    def rings(front):
        clip = f'<clipPath id="half{front}">{rect(x - 3 * r, y if front else y - 2 * r, 6 * r, 2 * r, "#fff")}</clipPath>'
        bands = "".join(ellipse(x, y, r * k, r * k * .26, "none", f'stroke="{mix(ring, stripes[2], j / 6)}" stroke-width="{r * .060:.1f}" opacity="{.85 - .10 * j:.2f}"') for j, k in enumerate((1.42, 1.52, 1.63, 1.80, 1.90)))
        return f'<g {tilt}>{clip}<g clip-path="url(#half{front})">{bands}</g></g>'

    body += rings(0) + f'<g clip-path="url(#disc)"><g {tilt}>'
    for band in range(14):
        by = y - r * 1.05 + r * 2.1 * band / 13
        colour = stripes[(band * 5 + band // 3) % 4]
        line = [(x - 1.3 * r + q * r * .13, by + r * .030 * math.sin(TAU * (q / 10 + time + band * .23))) for q in range(21)]
        body += path([*line, (x + 1.4 * r, by + r * .3), (x - 1.4 * r, by + r * .3)], colour)
    body += f"</g>{circle(x, y, r, 'url(#shade)')}</g>" + rings(1)
    for k, (far, size, phase) in enumerate(((2.05, .085, .05), (1.65, .05, .58))):
        a = TAU * (time + phase)
        mx, my = x + r * far * math.cos(a) * 1.05, y + r * far * .42 * math.sin(a)
        if not (math.sin(a) < 0 and abs(mx - x) < r * .98):
            body += circle(mx, my, r * size, mix(ring, "#ffffff", .4)) + circle(mx + r * size * .3, my + r * size * .25, r * size * .85, "#0b0a24", 'opacity="0.35"')
    return svg(w, h, defs, body)


SCENES = {scene.__name__: scene for scene in (moon, sea, valley, desert, aurora, lanterns, boats, train, robot, reef, planets)}


def main():
    name, width, height, frames, folder, *options = sys.argv[1:]
    options = {key: int(value) for key, value in (option.split("=") for option in options)}
    start = options.pop("start", 0) / 100
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for frame in range(int(frames)):
        time = (frame / int(frames) + start) % 1
        (folder / f"{frame:03}.svg").write_text(SCENES[name](int(width), int(height), time, **options))


main()
