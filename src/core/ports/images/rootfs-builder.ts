import type { Task } from '../../../protocol/events.ts';
import type { ImageContent, LayersContent, TreeContent } from './image-source.ts';

/** Makes root file systems: content in, an ext4 image out. */
export interface RootfsBuilder<Content extends ImageContent> {
  /**
   * Writes the root file system of `content` to the file `rootfsPath`, which must not exist. It has some free
   * space, and can be grown. After a failure or an abort, the caller removes a partial file.
   *
   * @throws {AppError} HOST_NO_SPACE, EXEC_FAILED; IMAGE_TOO_LARGE and IMAGE_ARCHIVE_BAD for layers that no
   * honest image has.
   */
  build(content: Content, options: Task & { rootfsPath: string }): Promise<void>;
}

/** One builder for each kind of content that needs building. */
export interface RootfsBuilders {
  tree: RootfsBuilder<TreeContent>;
  layers: RootfsBuilder<LayersContent>;
}
