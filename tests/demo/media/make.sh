#!/bin/sh
# Makes the media of the demo beside this script, from nothing: `scenes.py` draws them, `tune.py` plays them, ffmpeg packs them.
# Together they have less than 1 MiB. Needs Python 3 and an ffmpeg with librsvg, libx264, libvpx, libwebp and libmp3lame.
# Written with ffmpeg 5.1. It takes about two minutes.
#
#   sh tests/demo/media/make.sh
# shellcheck disable=SC2086   # a variable such as $h264 holds several options
set -eu
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
exact="-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1"
make() { ffmpeg -v error -y "$@" </dev/null; }

# frames SCENE WIDTH HEIGHT COUNT [OPTION...]: draws a scene.
frames() {
    rm -rf "$work/frames"
    scene=$1 width=$2 height=$3 count=$4
    shift 4
    python3 scenes.py "$scene" "$width" "$height" "$count" "$work/frames" "$@"
}
# film OUT SECONDS CRF: the frames that were drawn last, as a loop of that length, 12 per second.
h264="-pix_fmt yuv420p -threads 1 -c:v libx264 -preset veryslow -tune animation"
film() { make -framerate 12 -i "$work/frames/%03d.svg" -t "$2" $h264 -crf "$3" $exact -movflags +faststart "$1"; }
# picture OUT OPTIONS...: the first frame.
picture() {
    out=$1
    shift
    make -i "$work/frames/000.svg" -frames:v 1 -threads 1 $exact "$@" "$out"
}
jpeg="-pix_fmt yuvj420p -q:v 5"
webp="-c:v libwebp -q:v 78"
# Few colours are enough for flat scenes.
png="-filter_complex [0]split[a][b];[a]palettegen=max_colors=96:stats_mode=single[p];[b][p]paletteuse=dither=none -compression_level 9"

# A cat on the moon: a film, a set of four, and the grid of the four.
frames moon 640 360 61
film moon.mp4 5.083 27
for style in 0 1 2 3; do
    frames moon 448 448 1 style=$style start=$((style * 23))
    picture "moon-$((style + 1)).webp" $webp
done
make -i moon-1.webp -i moon-2.webp -i moon-3.webp -i moon-4.webp -filter_complex \
    "[0][1][2][3]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0,scale=448:448,split[a][b];[a]palettegen=max_colors=160[p];[b][p]paletteuse=dither=none" \
    -frames:v 1 -threads 1 $exact -compression_level 9 moon-grid.png
# One valley, twelve hours from the morning on, and a walk through it.
for hour in 0 1 2 3 4 5 6 7 8 9 10 11; do
    frames valley 400 400 1 hour=$hour
    picture "$(printf 'valley-%02d.jpg' $(((hour + 9) % 12)))" $jpeg
done
frames valley 640 360 72 hour=3 move=1
film valley.mp4 6 28
# Dawn over the sea.
frames sea 640 360 60
film sea.mp4 5 33
frames sea 640 360 1 start=40
picture sea.jpg $jpeg
# The desert under the stars, upright.
frames desert 360 640 60
film desert.mp4 5 28
frames desert 640 400 1 style=1 start=8
picture desert.png $png
# Northern lights.
frames aurora 640 360 60
film aurora.mp4 5 32
frames aurora 640 360 1 start=98
picture aurora-last.jpg $jpeg
frames aurora 384 576 1 style=1 start=60
picture aurora.jpg $jpeg
# Lanterns in the rain, upright.
frames lanterns 360 640 62
film lanterns.mp4 5.167 35
frames lanterns 384 512 1 start=20
picture lanterns.png $png
frames lanterns 384 512 1 style=1 start=70
picture lanterns.jpg $jpeg
# Paper boats.
for style in 0 1 2 3; do
    frames boats 480 270 36 style=$style
    film "boats-$((style + 1)).mp4" 3 31
done
frames boats 656 368 1 start=30
picture boats-1.png $png
frames boats 656 368 1 style=3 start=75
picture boats-2.png $png
# Jellyfish. The second film is in fragments, as of a live stream.
frames reef 360 640 48
film reef-1.mp4 4 33
frames reef 480 270 48 style=1
make -framerate 12 -i "$work/frames/%03d.svg" -t 4 $h264 -crf 33 -g 12 $exact -movflags +frag_keyframe+empty_moov reef-2.mp4
frames reef 360 360 24
film reef-3.mp4 2 34
# Planets, and a robot that waters its plants.
frames planets 480 480 36 style=1
make -framerate 12 -i "$work/frames/%03d.svg" -t 3 -pix_fmt yuv420p -threads 1 -c:v libvpx-vp9 -crf 42 -b:v 0 $exact planets.webm
frames planets 512 512 1 start=12
picture planets.png $png
frames planets 448 448 1 style=1 start=60
picture planets.webp $webp
frames robot 640 480 1 start=10
cp "$work/frames/000.svg" robot.svg
frames robot 512 384 1 start=60
picture robot.webp $webp
frames robot 600 400 1 style=1 start=80
picture robot.png $png
# A song in two versions, each with a film, and sounds.
python3 tune.py train "$work/1.wav"
python3 tune.py train-slow "$work/2.wav"
for song in 1 2; do
    make -i "$work/$song.wav" -c:a libmp3lame -b:a 32k $exact "train-$song.mp3"
    frames train 448 448 1 style=$((song - 1)) start=62
    picture "train-$song.jpg" $jpeg
done
frames train 400 400 96
make -framerate 12 -i "$work/frames/%03d.svg" -i "$work/1.wav" -t 8 $h264 -crf 35 -c:a aac -b:a 24k $exact -movflags +faststart train-1.mp4
frames train 400 400 108 style=1
make -framerate 12 -i "$work/frames/%03d.svg" -i "$work/2.wav" -t 9 $h264 -crf 35 -c:a aac -b:a 24k -g 24 $exact \
    -movflags +frag_keyframe+empty_moov train-2.mp4
python3 tune.py rain "$work/rain.wav"
make -i "$work/rain.wav" -c:a libmp3lame -b:a 24k $exact rain.mp3
python3 tune.py chime "$work/chime.wav"
make -i "$work/chime.wav" -ar 8000 -c:a pcm_u8 $exact chime.wav
