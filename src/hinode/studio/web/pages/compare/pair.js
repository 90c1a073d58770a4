// Two players with one time, in whole frames of the first clip.
import { mediaAddress } from "../../core/api.js";
import { framesOf, rateOf } from "../../widgets/player.js";

/**
 * The frame of another clip that is seen at the middle of a frame.
 * @param {number} frame @param {number} rate of its clip @param {number} other rate of the other clip @param {number} frames of the other clip
 */
export const frameAt = (frame, rate, other, frames) => Math.min(frames - 1, Math.floor(((2 * frame + 1) * other) / (2 * rate) + 1e-9));

export class Pair {
  /**
   * @param {HTMLVideoElement[]} players @param {any[]} clips
   * @param {(frame: number) => void} onFrame @param {(playing: boolean) => void} onPlaying
   */
  constructor(players, clips, onFrame, onPlaying) {
    this.players = players;
    this.rates = clips.map(rateOf);
    this.frames = clips.map(framesOf);
    this.onFrame = onFrame;
    this.onPlaying = onPlaying;
    this.frame = 0;
    this.playing = false;
    this.request = 0;
    /** The longer clip leads, in time. */
    this.leader = this.frames[1] / this.rates[1] > this.frames[0] / this.rates[0] + 1e-6 ? 1 : 0;
    players.forEach((player, side) => {
      player.src = mediaAddress(clips[side].id);
      player.addEventListener("loadeddata", () => { if (!this.playing) this.seek(this.frame); }, { once: true });
    });
    this.watch = this.watch.bind(this);
  }

  /** Both players show a frame, by its middle. @param {number} frame */
  seek(frame) {
    if (this.playing) this.pause();
    this.frame = frame;
    this.show();
    this.onFrame(frame);
  }

  show() {
    this.players.forEach((player, side) => {
      const own = side === 0 ? Math.min(this.frame, this.frames[0] - 1) : frameAt(this.frame, this.rates[0], this.rates[1], this.frames[1]);
      player.currentTime = (own + 0.5) / this.rates[side];
    });
  }

  toggle() {
    if (this.playing) return this.pause();
    this.playing = true;
    this.onPlaying(true);
    if (this.players[this.leader].ended) {
      this.frame = 0;
      this.show();
    }
    Promise.all(this.players.filter((player) => !player.ended).map((player) => player.play())).catch(() => this.pause());
    this.request = requestAnimationFrame(this.watch);
  }

  pause() {
    cancelAnimationFrame(this.request);
    this.playing = false;
    this.players.forEach((player) => player.pause());
    this.onPlaying(false);
    // Both stand on the same frame again.
    this.show();
  }

  /** While both play, the second follows the first. */
  watch() {
    const leader = this.players[this.leader];
    const follower = this.players[1 - this.leader];
    const drift = follower.currentTime - leader.currentTime;
    if (!follower.ended && !follower.seeking && follower.duration > leader.currentTime) {
      if (Math.abs(drift) > 0.25) follower.currentTime = leader.currentTime;
      else follower.playbackRate = Math.abs(drift) < 0.5 / this.rates[1 - this.leader] ? 1 : drift > 0 ? 0.9 : 1.1;
    }
    this.frame = Math.floor(leader.currentTime * this.rates[0]);
    this.onFrame(this.frame);
    if (leader.ended) {
      // Again from the start, as the player does.
      this.players.forEach((player) => { player.currentTime = 0; player.play().catch(() => {}); });
    }
    this.request = requestAnimationFrame(this.watch);
  }

  close() {
    cancelAnimationFrame(this.request);
    for (const player of this.players) {
      // A player that is left holds a connection until it has no source.
      player.pause();
      player.removeAttribute("src");
      player.load();
    }
  }
}
