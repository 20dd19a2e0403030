#!/bin/sh
# Makes the samples beside this script, from nothing: ffmpeg's test sources, and a few lines of text.
# Every length is its own, so that a test that mixes files up fails. Written with ffmpeg 5.1.
#
#   sh tests/media/make.sh
#
# The lengths that tests hard-code are ffprobe's:
#   ffprobe -v error -show_entries format=duration -of csv=p=0 FILE
# It says nothing of live.webm, whose header holds no length (that is its point), and counts the
# encoder's delay as part of song.mp3. Of variable.mp3 it estimates the length.
set -eu
cd "$(dirname "$0")"

exact="-fflags +bitexact -flags:v +bitexact -flags:a +bitexact -map_metadata -1"
make() { ffmpeg -v error -y "$@" </dev/null; }
video() { echo "-f lavfi -i testsrc=size=64x64:rate=12:duration=$1 "; }
audio() { echo "-f lavfi -i sine=frequency=440:sample_rate=$2:duration=$1"; }
picture() { make -f lavfi -i testsrc=size=48x48:rate=1:duration=1 -frames:v 1 -threads 1 $exact "$@"; }

h264="-pix_fmt yuv420p -threads 1 -c:v libx264 -preset veryslow -crf 40"
make $(video 1) $(audio 1 22050) $h264 -c:a aac -b:a 24k $exact -movflags +faststart video-1s.mp4
make $(video 1.5) $h264 $exact clip.mov
make $(video 0.75) -pix_fmt yuv420p -threads 1 -c:v libvpx -b:v 30k $exact clip.webm
make $(video 1.25) $(audio 0.9 22050) $h264 -c:a libmp3lame -b:a 24k $exact clip.mkv
make $(video 2) $h264 -g 6 $exact -movflags +frag_keyframe+empty_moov fragmented.mp4
make $(video 1.75) -pix_fmt yuv420p -threads 1 -c:v libvpx -b:v 30k -g 6 $exact -f webm -live 1 live.webm

make $(audio 1.3 22050) -c:a libmp3lame -b:a 24k $exact song.mp3
make $(audio 2.2 22050) -c:a libmp3lame -b:a 24k $exact -write_xing 0 -id3v2_version 0 -f mp3 bare.mp3
make $(audio 0.6 8000) -c:a pcm_u8 $exact song.wav
make $(audio 0.8 8000) -c:a pcm_u8 $exact -f wav - | cat > piped.wav
make $(audio 0.7 8000) -c:a flac $exact song.flac
make $(audio 1.1 16000) -c:a libvorbis -q:a 0 $exact song.ogg
make $(audio 1.2 48000) -c:a libopus -b:a 16k $exact song.opus
make $(audio 1.4 22050) -c:a aac -b:a 24k $exact song.m4a
make $(audio 1.6 22050) -c:a aac -b:a 24k $exact -f adts song.aac
make $(audio 0.5 8000) -c:a pcm_s8 $exact song.aiff
make $(audio 0.9 8000) -c:a adpcm_ima_wav -block_size 256 $exact adpcm.wav
make -f lavfi -i anoisesrc=duration=1.7:amplitude=0.1:sample_rate=16000:seed=1 -c:a libmp3lame -q:a 9 $exact -write_xing 0 \
    -id3v2_version 0 -f mp3 variable.mp3
make $(video 0.5) -threads 1 -c:v mpeg4 -q:v 20 $exact clip.avi
make -f lavfi -i testsrc=size=64x64:rate=25:duration=0.6 -threads 1 -c:v mpeg2video -q:v 20 $exact clip.mpg

# Larger ones, in colour. A name, its colours, the seed that lays them out, then options.
blend() { echo "-f lavfi -i gradients=size=400x300:rate=12:duration=$4:speed=0.02:nb_colors=3:c0=$1:c1=$2:c2=$3:seed=$5"; }
still="-frames:v 1 -threads 1 $exact"
make $(blend 0x1b1464 0xff6b6b 0xffd93d 1 3) $still -q:v 6 dusk.jpg
make $(blend 0x10002b 0x9d4edd 0xff9e00 1 21) $still -q:v 6 ember.jpg
make $(blend 0x003049 0x2a9d8f 0xe9f5db 1 5) $still -c:v libwebp -q:v 60 sea.webp
make $(blend 0x3a0ca3 0xf72585 0x4cc9f0 1 9) $still -c:v libwebp -q:v 60 bloom.webp
make $(blend 0x264653 0xe76f51 0xf4a261 1 4) $still -vf scale=160:120,format=pal8 dawn.png
make $(blend 0x132a13 0x90a955 0xecf39e 2.5 12) $h264 $exact -movflags +faststart moss.mp4
make $(blend 0x0b132b 0x5bc0be 0xf4d35e 3.5 33) $h264 $exact -movflags +faststart tide.mp4

picture picture.png
picture -q:v 8 picture.jpg
picture -c:v libwebp -q:v 40 picture.webp
picture picture.gif
picture -c:v libaom-av1 -still-picture 1 -crf 50 -pix_fmt yuv420p picture.avif
picture -pix_fmt pal8 -vf scale=24:24 picture.bmp
picture -vf scale=24:24 -compression_algo lzw picture.tiff
cat > picture.svg <<'SVG'
<?xml version="1.0" encoding="UTF-8"?>
<!-- A square in a square. -->
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">
  <rect width="48" height="48" fill="#222"/>
  <rect x="12" y="12" width="24" height="24" fill="#fc3"/>
</svg>
SVG
cat > playlist.m3u8 <<'M3U8'
#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:4
#EXTINF:4.0,
segment-0.ts
#EXTINF:2.5,
segment-1.ts
#EXT-X-ENDLIST
M3U8
