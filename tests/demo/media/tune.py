"""Plays the songs and sounds of the demo into WAV files, with oscillators and envelopes of our own and nothing but the standard library.

    python3 tune.py NAME OUT.wav

`train` and `train-slow` are two versions of one song, `rain` and `chime` are sounds. Every random number has a seed.
"""
import array
import math
import random
import sys
import wave

RATE = 22050
TAU = 2 * math.pi


def hertz(note):
    """The frequency of a MIDI note; 69 is the A above middle C."""
    return 440 * 2 ** ((note - 69) / 12)


class Track:
    def __init__(self, seconds):
        self.samples = [0.0] * int(seconds * RATE)

    def note(self, start, length, note, loud, voice):
        """Adds a note. It may be longer than the track: then it goes on at the start, so that the track is a loop."""
        count, first = len(self.samples), int(start * RATE)
        for at, value in enumerate(voice(hertz(note), length)):
            self.samples[(first + at) % count] += loud * value

    def echo(self, delay, share):
        step, samples = int(delay * RATE), self.samples
        for at in range(step, len(samples)):
            samples[at] += share * samples[at - step]

    def write(self, path, fade=0.0, bits=16):
        peak = max(abs(sample) for sample in self.samples) / .85
        count = len(self.samples)
        scaled = []
        for at, sample in enumerate(self.samples):
            edge = min(1, at / 200, (count - at) / (fade * RATE + 200))
            scaled.append(sample / peak * edge)
        with wave.open(path, "wb") as out:
            out.setparams((1, bits // 8, RATE, 0, "NONE", ""))
            out.writeframes(array.array("h", (int(sample * 32767) for sample in scaled)).tobytes())


# Voices: each gives the samples of a note.

def pluck(frequency, length):
    """A plucked string (Karplus and Strong): a noise that goes around a delay line and loses its edge."""
    dice = random.Random(int(frequency * 10))
    line = [dice.uniform(-1, 1) for _ in range(max(2, round(RATE / frequency)))]
    line = [(line[at] + line[at - 1] + line[at - 2]) / 3 for at in range(len(line))]
    count, size = int(length * RATE), len(line)
    for at in range(count):
        here = at % size
        value = line[here]
        line[here] = .4975 * (value + line[(here + 1) % size])
        yield value * min(1, (count - at) / 400)


def bell(frequency, length):
    """A soft electric piano: a sine whose phase another one moves, less and less."""
    count = int(length * RATE)
    for at in range(count):
        time = at / RATE
        fall = math.exp(-3.2 * time / length * 1.5)
        phase = TAU * frequency * time
        yield math.sin(phase + 1.1 * fall * math.sin(2 * phase)) * fall * min(1, at / 60, (count - at) / 500)


def pad(frequency, length):
    """Three slightly different sines with a slow start: strings far away."""
    count = int(length * RATE)
    for at in range(count):
        time = at / RATE
        shape = min(1, time / .5, (length - time) / .7)
        yield shape * sum(math.sin(TAU * frequency * ratio * time) / order for ratio, order in ((1, 1), (1.004, 1.2), (2.003, 3.5))) / 2


def bass(frequency, length):
    count = int(length * RATE)
    for at in range(count):
        time = at / RATE
        shape = math.exp(-2.2 * time / length) * min(1, at / 120, (count - at) / 600)
        yield shape * (math.sin(TAU * frequency * time) + .35 * math.sin(2 * TAU * frequency * time))


def brush(seed):
    """A brush on a drum, the sound of wheels on rails."""
    def voice(_, length):
        dice, count, smooth = random.Random(seed), int(length * RATE), 0.0
        for at in range(count):
            smooth += .55 * (dice.uniform(-1, 1) - smooth)
            yield smooth * math.exp(-9 * at / count)
    return voice


CHORDS = [(57, 60, 64), (53, 57, 60), (48, 55, 64), (55, 59, 62)]  # A minor, F, C, G: the way home
MELODY = [(0, 76), (1, 72), (1.5, 74), (2.5, 72), (3, 69), (4, 72), (5, 69), (5.5, 67), (6.5, 65), (7, 69),
          (8, 67), (9, 72), (9.5, 76), (10.5, 74), (11, 72), (12, 74), (13, 71), (14, 67), (14.5, 69), (15, 71)]


def train(beat, lead, slow):
    """Two rounds of four chords; the melody comes with the first and is an octave higher in the second."""
    track = Track(beat * 32)
    for turn in range(8):
        start, chord = turn * 4 * beat, CHORDS[turn % 4]
        for note in chord:
            track.note(start, 4.4 * beat, note, .10, pad)
        track.note(start, 1.9 * beat, chord[0] - 12, .42, bass)
        track.note(start + 2.5 * beat, 1.4 * beat, chord[0] - (5 if turn % 2 else 12), .34, bass)
        for step in range(8):
            if slow and step % 2:
                continue
            note = (chord + (chord[0] + 12,))[(0, 2, 1, 3, 2, 1, 3, 2)[step]]
            track.note(start + step * beat / 2, 1.6 * beat, note + 12 * (step in (3, 6)), .26, pluck)
        if not slow or turn >= 4:
            for step, loud in ((0, .26), (.25, .13), (1, .20), (2, .26), (2.25, .13), (3, .20)):
                track.note(start + step * beat, .16, 60, loud, brush(int(step * 4)))
    for turn in (0, 1):
        for at, (start, note) in enumerate(MELODY):
            end = MELODY[at + 1][0] if at + 1 < len(MELODY) else 16
            track.note((turn * 16 + start) * beat, max(.6, (end - start) * 1.5) * beat, note + (12 if turn and slow else 0), .30, lead)
    track.echo(beat * .75, .26)
    return track


def rain():
    """Drops, each with its note, for eight seconds."""
    track, dice = Track(8), random.Random(3)
    for at in range(64):
        note = dice.choice((72, 74, 76, 79, 81, 84, 86))
        track.note(at / 8 + dice.uniform(0, .05), .9, note, dice.uniform(.05, .30), bell)
    for note in (48, 55, 60):
        track.note(0, 8, note, .12, pad)
    track.echo(.23, .35)
    return track


def chime():
    """Three notes."""
    track = Track(3)
    for at, note in enumerate((67, 72, 76)):
        track.note(.22 * at, 2.4 - .22 * at, note, .5, bell)
    return track


def main():
    name, path = sys.argv[1:]
    track = {"train": lambda: train(.5, bell, False), "train-slow": lambda: train(.5625, pluck, True), "rain": rain, "chime": chime}[name]()
    track.write(path, fade=1.5 if name.startswith("train") else .4)


main()
